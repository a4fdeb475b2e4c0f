// SPDX-License-Identifier: Apache-2.0

package vcf

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"vcf-triton/clients/go/kserve"
)

// fake gives an answer, or the error that a test asks for, and counts.
type fake struct {
	kserve.UnimplementedGRPCInferenceServiceServer
	err     error
	version string
	answer  *kserve.ModelInferResponse
	request *kserve.ModelInferRequest
	asked   int
	busy    int
}

func (f *fake) ModelConfig(context.Context, *kserve.ModelConfigRequest) (*kserve.ModelConfigResponse, error) {
	parameters := map[string]*kserve.ModelParameter{"contract_version": {StringValue: f.version}}
	return &kserve.ModelConfigResponse{Config: &kserve.ModelConfig{Parameters: parameters}}, nil
}

func (f *fake) ModelInfer(_ context.Context, request *kserve.ModelInferRequest) (*kserve.ModelInferResponse, error) {
	f.asked++
	f.request = request
	if f.busy--; f.busy >= 0 {
		return nil, status.Error(codes.Unavailable, "[request id: x] Exceeds maximum queue size")
	}
	return f.answer, f.err
}

func serve(t *testing.T, f *fake) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	kserve.RegisterGRPCInferenceServiceServer(server, f)
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	return listener.Addr().String()
}

func connect(t *testing.T, options Options, addresses ...string) *Client {
	t.Helper()
	client, err := New(addresses, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func raw(values any) []byte {
	bytes, _ := binary.Append(nil, binary.LittleEndian, values)
	return bytes
}

// anAnswer has two patches, the second suspected, in a frame turned by 90 degrees about the patient's z.
func anAnswer() *kserve.ModelInferResponse {
	answer := &kserve.ModelInferResponse{ModelVersion: "1"}
	add := func(name, dtype string, content []byte, shape ...int64) {
		answer.Outputs = append(answer.Outputs, &kserve.ModelInferResponse_InferOutputTensor{Name: name, Datatype: dtype, Shape: shape})
		answer.RawOutputContents = append(answer.RawOutputContents, content)
	}
	text := func(values ...string) (content []byte) {
		for _, value := range values {
			content = element(content, []byte(value))
		}
		return content
	}
	add("study_score", "FP32", raw([]float32{0.7}), 1)
	add("threshold", "FP32", raw([]float32{0.7}), 1)
	add("patch_probabilities", "FP32", raw([]float32{0.1, 0.9}), 2)
	add("patch_scores", "FP32", raw([]float32{0.3, 0.7}), 2)
	add("patch_boxes_mm", "FP32", raw([]float32{1, 2, 30, 4, 6, 60, 1, 2, 0, 4, 6, 30}), 2, 6)
	add("location", "FP32", raw([]float32{0.25, 0.75}), 2)
	add("model_hash", "BYTES", text(strings.Repeat("f", 64)), 1)
	add("stage_timings_ms", "FP32", raw([]float32{1, 2}), 2)
	add("centre_line_mm", "FP32", raw([]float32{2.5, 4, 0.125}), 1, 3)
	add("flags", "BYTES", text("CANAL_INTERPOLATED", "THICK_SLICES"), 2)
	add("patient_affine", "FP64", raw([]float64{0, -1, 0, 10, 1, 0, 0, 20, 0, 0, 1, -300, 0, 0, 0, 1}), 4, 4)
	add("series_uid", "BYTES", text("1.2.3"), 1)
	add("study_flags", "BYTES", text("THICK_SLICES"), 1)
	add("selection", "BYTES", nil, 0)
	return answer
}

func aStudy(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	os.Mkdir(filepath.Join(folder, "below"), 0o700)
	for name, content := range map[string]string{"a": "first", "below/b": "second"} {
		os.WriteFile(filepath.Join(folder, name), []byte(strings.Repeat("\x00", 128)+"DICM"+content), 0o600)
	}
	os.WriteFile(filepath.Join(folder, "notes.txt"), []byte("no DICOM"), 0o600)
	return folder
}

func codeOf(t *testing.T, client *Client, study string) string {
	t.Helper()
	_, err := client.Analyze(context.Background(), study)
	var failed *Error
	if errors.As(err, &failed) {
		return failed.Code
	}
	return ""
}

func TestFilesGoAndFindingsCome(t *testing.T) {
	t.Setenv("VCF_HASH_KEY", "secret")
	f := &fake{version: version, answer: anAnswer()}
	client := connect(t, Options{Deadline: 20 * time.Second, AgePolicy: "block"}, serve(t, f))
	found, err := client.Analyze(context.Background(), aStudy(t))
	if err != nil {
		t.Fatal(err)
	}
	head := strings.Repeat("\x00", 128) + "DICM"
	sent := append(element(nil, []byte(head+"first")), element(nil, []byte(head+"second"))...)
	if !reflect.DeepEqual(f.request.RawInputContents, [][]byte{sent}) || f.request.Inputs[0].Shape[0] != 2 {
		t.Error("the files did not arrive as they are")
	}
	if left := f.request.Parameters["timeout"].GetInt64Param(); left <= 0 || left > 20_000_000 {
		t.Error("timeout", left)
	}
	if f.request.Parameters["age_policy"].GetStringParam() != "block" {
		t.Error("age policy")
	}
	if found.StudyScore != 0.7 || !found.Positive || found.Patches[0].Positive || !found.Patches[1].Positive {
		t.Error(found)
	}
	if found.Patches[0].BoxMm != [2]Point{{4, 21, -270}, {8, 24, -240}} || found.CentreLineMm[0] != (Point{6, 22.5, -299.88}) {
		t.Error(found.Patches[0].BoxMm, found.CentreLineMm[0])
	}
	if !reflect.DeepEqual(found.Flags, []string{"THICK_SLICES", "CANAL_INTERPOLATED"}) {
		t.Error(found.Flags)
	}
	// Python: hmac.new(b"secret", b"1.2.3", "sha256").hexdigest()[:16]
	if found.SeriesID != "48df62b60b2d7da8" {
		t.Error(found.SeriesID)
	}
}

func TestErrorsHaveTheCodesOfTheContract(t *testing.T) {
	f := &fake{version: version, answer: anAnswer()}
	client, study := connect(t, Options{Deadline: 20 * time.Second}, serve(t, f)), aStudy(t)
	f.busy = 2
	if code := codeOf(t, client, study); code != "" || f.asked != 3 {
		t.Error("overloaded for a while:", code, f.asked)
	}
	for _, one := range []struct {
		code        codes.Code
		text, wants string
	}{
		{codes.InvalidArgument, "in ensemble 'vcf_dicom', TOO_SHORT: 3 slices\n\nAt: x", "TOO_SHORT"},
		{codes.Internal, "SOME_THING: out of memory", "SERVER_FAILED"},
		{codes.Canceled, "DEADLINE_EXCEEDED: no time left", "DEADLINE_EXCEEDED"},
		{codes.Unavailable, "This protocol is restricted, expecting header 'triton-grpc-protocol-k'", "ACCESS_DENIED"},
		{codes.Internal, "Stub process is not healthy", "SERVER_FAILED"},
	} {
		f.err, f.asked = status.Error(one.code, one.text), 0
		if code := codeOf(t, client, study); code != one.wants || f.asked != 1 {
			t.Error(one, code, f.asked)
		}
	}
	f.err = nil
	for _, spoil := range []func(*kserve.ModelInferResponse){
		func(a *kserve.ModelInferResponse) { a.Outputs[0].Datatype = "FP64" },
		func(a *kserve.ModelInferResponse) { a.RawOutputContents[0] = raw([]float32{float32(math.NaN())}) },
		func(a *kserve.ModelInferResponse) { a.RawOutputContents[4] = a.RawOutputContents[4][1:] },
		func(a *kserve.ModelInferResponse) { a.RawOutputContents[9] = []byte{255, 255, 255, 255, 0} },
		func(a *kserve.ModelInferResponse) { a.Outputs = a.Outputs[1:] },
	} {
		f.answer = anAnswer()
		spoil(f.answer)
		if code := codeOf(t, client, study); code != "SERVER_FAILED" {
			t.Error("nonsense was taken:", code)
		}
	}
	if code := codeOf(t, client, filepath.Join(study, "notes.txt")); code != "NOT_DICOM" {
		t.Error(code)
	}
	if code := codeOf(t, client, filepath.Join(study, "nowhere")); code != "NO_IMAGES" {
		t.Error(code)
	}
}

func TestOtherServers(t *testing.T) {
	older, good := &fake{version: "1.0.0"}, &fake{version: version, answer: anAnswer()}
	study, options := aStudy(t), Options{Deadline: 20 * time.Second, Attempts: 2}
	old := serve(t, older)
	if code := codeOf(t, connect(t, options, old), study); code != "CONTRACT_DIFFERS" || older.asked != 0 {
		t.Error(code)
	}
	if code := codeOf(t, connect(t, options, "127.0.0.1:1"), study); code != "SERVER_UNAVAILABLE" {
		t.Error(code)
	}
	if code := codeOf(t, connect(t, options, "127.0.0.1:1", old, serve(t, good)), study); code != "" || good.asked != 1 {
		t.Error(code)
	}
	if _, err := New([]string{"elsewhere.example:1"}, Options{APIKey: "name=value"}); err == nil {
		t.Error("an API key would go to another machine without TLS")
	}
}
