#include <onnxruntime_c_api.h>
#include <stdio.h>
#include <stdlib.h>

static const OrtApi *ort;

static void check(OrtStatus *status) {
  if (status == NULL) return;
  fprintf(stderr, "%s\n", ort->GetErrorMessage(status));
  exit(1);
}

int main(void) {
  OrtEnv *env;
  OrtSessionOptions *options;
  OrtSession *session;
  OrtMemoryInfo *memory;
  OrtValue *input, *output = NULL;
  int32_t words[] = {4, 8, 15, 16};
  int64_t shape[] = {1, 4};
  const char *inputs[] = {"words"}, *outputs[] = {"probability"};
  float *probability;

  ort = OrtGetApiBase()->GetApi(18);
  check(ort->CreateEnv(ORT_LOGGING_LEVEL_WARNING, "deploy", &env));
  check(ort->CreateSessionOptions(&options));
  check(ort->CreateSession(env, "model.onnx", options, &session));
  check(ort->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory));
  check(ort->CreateTensorWithDataAsOrtValue(memory, words, sizeof words, shape, 2,
                                            ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32, &input));
  check(ort->Run(session, NULL, inputs, (const OrtValue *const *)&input, 1, outputs, 1, &output));
  check(ort->GetTensorMutableData(output, (void **)&probability));
  printf("%.6f\n", probability[0]);

  ort->ReleaseValue(output);
  ort->ReleaseValue(input);
  ort->ReleaseMemoryInfo(memory);
  ort->ReleaseSession(session);
  ort->ReleaseSessionOptions(options);
  ort->ReleaseEnv(env);
  return 0;
}
