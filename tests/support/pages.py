"""A page that `plots.explore` wrote, in a browser, and what a reader does with it."""

PAINTED = """
    const context = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
    const read = (colour) => {
      context.fillStyle = colour; context.fillRect(0, 0, 1, 1);
      return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    return [...document.querySelectorAll(arguments[0])].map((one) => {
      const style = getComputedStyle(one);
      return [read(style.backgroundColor), read(style.color)];
    });
"""


class Page:
    """The page of a trace in a browser, and what a reader does with it."""

    def __init__(self, driver, path):
        self.driver = driver
        self.look(dark=False, width=1280)
        driver.get_log("browser")  # an earlier page's
        driver.get(path.as_uri())

    def look(self, *, dark, width, height=900):
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def all(self, selector):
        return self.driver.find_elements("css selector", selector)

    def one(self, selector):
        (found,) = self.all(selector)
        return found

    def words(self):
        return self.all("#words > [role=option]")

    def point_at(self, target):
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.driver, duration=0).move_to_element(target).perform()

    def press(self, *keys):
        from selenium.webdriver.common.keys import Keys

        for key in keys:
            name = getattr(Keys, key.upper())
            self.driver.switch_to.active_element.send_keys(name)

    def choose(self, view):
        self.driver.execute_script("arguments[0].click()", self.one(f"input[value={view}]"))

    def readings(self):
        """The values beside the words, by the name of the row."""
        rows = self.all(".field")
        names = [row.find_element("css selector", "input").get_attribute("value") for row in rows]
        texts = [row.find_element("css selector", ".value").text for row in rows]
        return {name: number(text) for name, text in zip(names, texts, strict=True)}

    def unit(self):
        """The chosen unit, or None for the mean."""
        name = self.one("#units > [aria-selected=true]").get_attribute("aria-label")
        return None if name.startswith("mean") else int(name.split()[1].rstrip(":"))

    def focused(self):
        return self.driver.switch_to.active_element

    def painted(self, selector):
        """The colours of the background and of the text of elements."""
        return self.driver.execute_script(PAINTED, selector)

    def messages(self):
        return self.driver.get_log("browser")


def number(text):
    return float(text.replace("\N{MINUS SIGN}", "-"))


def contrast(one, other):
    """The contrast of two colours after WCAG 2."""

    def luminance(colour):
        parts = [part / 255 for part in colour]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted([luminance(one), luminance(other)], reverse=True)
    return (light + 0.05) / (dark + 0.05)
