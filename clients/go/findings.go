// SPDX-License-Identifier: Apache-2.0

package vcf

import (
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"

	"vcf-triton/clients/go/kserve"
)

// Point is x, y, z in patient LPS mm.
type Point [3]float64

// Patch is one of those that tile the spine, from head to feet.
type Patch struct {
	Probability float64  `json:"probability"`
	Score       float64  `json:"score"`
	Positive    bool     `json:"positive"`
	Location    float64  `json:"location"`
	BoxMm       [2]Point `json:"box_mm"`
}

// Findings of one study: the JSON that the contract's schema describes.
type Findings struct {
	SchemaVersion string   `json:"schema_version"`
	Notice        string   `json:"notice"`
	SeriesID      string   `json:"series_id"`
	StudyScore    float64  `json:"study_score"`
	Threshold     float64  `json:"threshold"`
	Positive      bool     `json:"positive"`
	Patches       []Patch  `json:"patches"`
	CentreLineMm  []Point  `json:"centre_line_mm"`
	Flags         []string `json:"flags"`
	Selection     []string `json:"selection"`
	Model         struct {
		Name     string   `json:"name"`
		Version  string   `json:"version"`
		Networks []string `json:"networks"`
		Hash     string   `json:"hash"`
	} `json:"model"`
	Transport string             `json:"transport"`
	BytesSent int                `json:"bytes_sent"`
	TimingsMs map[string]float64 `json:"timings_ms"`
}

var processKey = rand.Text()

func findings(answer *kserve.ModelInferResponse, bytesSent int, clientMs map[string]float64) (*Findings, error) {
	numbers, texts := map[string][]float64{}, map[string][]string{}
	for _, expected := range outputs {
		if err := decode(answer, expected, numbers, texts); slices.Contains(madeFrom, expected.Name) && err != nil {
			return nil, err
		}
	}
	scores, boxes, to := numbers["patch_scores"], numbers["patch_boxes_mm"], numbers["patient_affine"]
	k, stageMs := len(scores), numbers["stage_timings_ms"]
	if k == 0 || len(numbers["patch_probabilities"]) != k || len(numbers["location"]) != k || len(boxes) != 6*k || len(stageMs) == 0 || len(stageMs) > len(stages) {
		return nil, nonsense("its tensors do not fit each other")
	}
	f := &Findings{SchemaVersion: schemaVersion, Notice: notice, StudyScore: numbers["study_score"][0], Threshold: numbers["threshold"][0],
		Flags: []string{}, Selection: texts["selection"], Transport: transport, BytesSent: bytesSent, TimingsMs: clientMs, CentreLineMm: []Point{}}
	mac := hmac.New(sha256.New, []byte(cmp.Or(os.Getenv(hashKeyVariable), processKey)))
	mac.Write([]byte(texts["series_uid"][0]))
	f.SeriesID = hex.EncodeToString(mac.Sum(nil))[:16]
	f.Positive = f.StudyScore >= f.Threshold
	lps := func(p []float64) (q Point) {
		for i := range q {
			q[i] = to[4*i]*p[0] + to[4*i+1]*p[1] + to[4*i+2]*p[2] + to[4*i+3]
		}
		return q
	}
	marked := min(f.Threshold, slices.Max(scores)) // the highest patch of a positive study is always marked
	for i, score := range scores {
		patch := Patch{Probability: numbers["patch_probabilities"][i], Score: score, Location: numbers["location"][i], Positive: f.Positive && score >= marked}
		low, high := Point{math.Inf(1), math.Inf(1), math.Inf(1)}, Point{math.Inf(-1), math.Inf(-1), math.Inf(-1)}
		for corner := range 8 {
			box := boxes[6*i:]
			q := lps([]float64{box[3*(corner&1)], box[1+3*(corner>>1&1)], box[2+3*(corner>>2&1)]})
			for axis := range q {
				low[axis], high[axis] = min(low[axis], q[axis]), max(high[axis], q[axis])
			}
		}
		patch.BoxMm = [2]Point{rounded(low), rounded(high)}
		f.Patches = append(f.Patches, patch)
	}
	for points := numbers["centre_line_mm"]; len(points) > 0; points = points[3:] {
		f.CentreLineMm = append(f.CentreLineMm, rounded(lps(points)))
	}
	for _, flag := range append(texts["study_flags"], texts["flags"]...) {
		if !slices.Contains(f.Flags, flag) {
			f.Flags = append(f.Flags, flag)
		}
	}
	f.Model.Name, f.Model.Version, f.Model.Networks, f.Model.Hash = model, answer.ModelVersion, networks, texts["model_hash"][0]
	for i, ms := range stageMs {
		f.TimingsMs[stages[len(stages)-len(stageMs)+i]] = ms
		f.TimingsMs["network"] = max(0, f.TimingsMs["network"]-ms)
	}
	return f, nil
}

func nonsense(what string) *Error {
	return &Error{Code: "SERVER_FAILED", Sentence: "the answer makes no sense: " + what, retry: never}
}

// decode checks type, shape and size of a tensor and reads its little-endian values.
func decode(answer *kserve.ModelInferResponse, expected tensor, numbers map[string][]float64, texts map[string][]string) error {
	at := slices.IndexFunc(answer.Outputs, func(o *kserve.ModelInferResponse_InferOutputTensor) bool { return o.Name == expected.Name })
	if at < 0 || at >= len(answer.RawOutputContents) {
		return nonsense("there is no tensor " + expected.Name)
	}
	output, raw, size := answer.Outputs[at], answer.RawOutputContents[at], int64(1)
	fits := output.Datatype == expected.Dtype && len(output.Shape) == len(expected.Shape)
	for i, extent := range output.Shape {
		fits = fits && (expected.Shape[i] == -1 || expected.Shape[i] == extent)
		size *= extent
	}
	values, words := []float64{}, []string{}
	for fits && len(raw) > 0 {
		width := map[string]int{"FP32": 4, "FP64": 8, "BYTES": 4}[expected.Dtype]
		if fits = len(raw) >= width; !fits {
			break
		}
		switch bits := binary.LittleEndian; expected.Dtype {
		case "FP32": // as the shortest decimal that is this float32
			value, _ := strconv.ParseFloat(strconv.FormatFloat(float64(math.Float32frombits(bits.Uint32(raw))), 'g', -1, 32), 64)
			values = append(values, value)
		case "FP64":
			values = append(values, math.Float64frombits(bits.Uint64(raw)))
		default:
			length := uint64(bits.Uint32(raw))
			if fits = uint64(len(raw)-4) >= length; fits {
				words, width = append(words, string(raw[4:4+length])), 4+int(length)
			}
		}
		raw = raw[min(width, len(raw)):]
	}
	if !fits || int64(len(values)+len(words)) != size || slices.ContainsFunc(values, func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }) {
		return nonsense(fmt.Sprintf("tensor %s is %s %v", expected.Name, output.Datatype, output.Shape))
	}
	numbers[expected.Name], texts[expected.Name] = values, words
	return nil
}

// rounded gives a hundredth of a millimetre, finer than any voxel.
func rounded(p Point) Point {
	for i := range p {
		p[i] = math.RoundToEven(p[i]*100) / 100
	}
	return p
}
