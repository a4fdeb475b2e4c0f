// SPDX-License-Identifier: Apache-2.0
package vcf.client;

import static vcf.client.Contract.CONTRACT;
import static vcf.client.Contract.MODEL;

import com.google.protobuf.ByteString;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import vcf.client.kserve.ModelInferResponse;

/** Findings of one study; {@code toJson} is what the contract's schema describes. Positions are patient LPS mm. */
public record Findings(String schemaVersion, String notice, String seriesId, double studyScore, double threshold, boolean positive,
        List<Patch> patches, List<double[]> centreLineMm, List<String> flags, List<String> selection, Model model,
        String transport, long bytesSent, Map<String, Double> timingsMs) {
    /** One of the patches that tile the spine, from head to feet. */
    public record Patch(double probability, double score, boolean positive, double location, double[][] boxMm) {}

    /** Which weights answered. */
    public record Model(String name, String version, List<String> networks, String hash) {}

    private static final byte[] PROCESS_KEY = new SecureRandom().generateSeed(32);

    public String toJson() {
        return Contract.JSON.toJson(this);
    }

    static Findings of(ModelInferResponse answer, long bytesSent, Map<String, Double> clientMs) throws VcfException {
        var numbers = new HashMap<String, double[]>();
        var texts = new HashMap<String, List<String>>();
        for (var expected : CONTRACT.entryModels().get(MODEL).outputs()) {
            if (CONTRACT.findings().madeFrom().contains(expected.name())) decode(answer, expected, numbers, texts);
        }
        double[] scores = numbers.get("patch_scores"), boxes = numbers.get("patch_boxes_mm"), stages = numbers.get("stage_timings_ms");
        double[] probabilities = numbers.get("patch_probabilities"), locations = numbers.get("location"), to = numbers.get("patient_affine");
        int k = scores.length, all = CONTRACT.stages().size();
        if (k == 0 || probabilities.length != k || locations.length != k || boxes.length != 6 * k || stages.length == 0 || stages.length > all) {
            throw nonsense("its tensors do not fit each other");
        }
        double score = numbers.get("study_score")[0], threshold = numbers.get("threshold")[0];
        boolean positive = score >= threshold;
        double marked = Math.min(threshold, Arrays.stream(scores).max().getAsDouble()); // one patch of a positive study always is
        var patches = IntStream.range(0, k).mapToObj(i -> new Patch(probabilities[i], scores[i], positive && scores[i] >= marked,
                locations[i], box(to, Arrays.copyOfRange(boxes, 6 * i, 6 * i + 6)))).toList();
        double[] line = numbers.get("centre_line_mm");
        var points = IntStream.range(0, line.length / 3).mapToObj(i -> rounded(lps(to, line[3 * i], line[3 * i + 1], line[3 * i + 2]))).toList();
        var flags = new LinkedHashSet<>(texts.get("study_flags"));
        flags.addAll(texts.get("flags"));
        var timings = new LinkedHashMap<>(clientMs);
        timings.computeIfPresent("network", (name, ms) -> Math.max(0, ms - DoubleStream.of(stages).sum()));
        for (int i = 0; i < stages.length; i++) timings.put(CONTRACT.stages().get(all - stages.length + i), stages[i]);
        var model = new Model(MODEL, answer.getModelVersion(), CONTRACT.networks(), texts.get("model_hash").get(0));
        return new Findings(CONTRACT.findings().schemaVersion(), CONTRACT.notice(), hash(texts.get("series_uid").get(0)), score, threshold, positive,
                patches, points, List.copyOf(flags), texts.get("selection"), model, CONTRACT.findings().transport(), bytesSent, timings);
    }

    /** HMAC-SHA256 of an identifier, cut to 16 hex digits, by the environment's key or one of this process. */
    private static String hash(String identifier) {
        String named = System.getenv(CONTRACT.findings().hashKeyVariable());
        try {
            var mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(named == null || named.isEmpty() ? PROCESS_KEY : named.getBytes(StandardCharsets.UTF_8), "HmacSHA256"));
            return HexFormat.of().formatHex(mac.doFinal(identifier.getBytes(StandardCharsets.UTF_8))).substring(0, 16);
        } catch (GeneralSecurityException error) {
            throw new IllegalStateException(error); // every Java has it
        }
    }

    private static double[] lps(double[] to, double x, double y, double z) {
        return new double[] {to[0] * x + to[1] * y + to[2] * z + to[3], to[4] * x + to[5] * y + to[6] * z + to[7],
            to[8] * x + to[9] * y + to[10] * z + to[11]};
    }

    /** Smallest and largest corner in the patient's axes, from all eight: scans may be a little oblique. */
    private static double[][] box(double[] to, double[] box) {
        var corners = IntStream.range(0, 8).mapToObj(c -> lps(to, box[3 * (c & 1)], box[1 + 3 * (c >> 1 & 1)], box[2 + 3 * (c >> 2)])).toList();
        var ends = new double[2][3];
        for (int axis = 0; axis < 3; axis++) {
            int a = axis;
            var along = corners.stream().mapToDouble(corner -> corner[a]).summaryStatistics();
            ends[0][a] = along.getMin();
            ends[1][a] = along.getMax();
        }
        return new double[][] {rounded(ends[0]), rounded(ends[1])};
    }

    /** To a hundredth of a millimetre, finer than any voxel. */
    private static double[] rounded(double[] point) {
        return Arrays.stream(point).map(value -> Math.rint(value * 100) / 100).toArray();
    }

    /** Check type, shape and size of a tensor and read its little-endian values. */
    private static void decode(ModelInferResponse answer, Contract.Tensor expected, Map<String, double[]> numbers, Map<String, List<String>> texts)
            throws VcfException {
        var outputs = answer.getOutputsList();
        int at = IntStream.range(0, outputs.size()).filter(i -> outputs.get(i).getName().equals(expected.name())).findFirst().orElse(-1);
        if (at < 0 || at >= answer.getRawOutputContentsCount()) throw nonsense("there is no tensor " + expected.name());
        List<Long> shape = outputs.get(at).getShapeList();
        boolean fits = outputs.get(at).getDatatype().equals(expected.dtype()) && shape.size() == expected.shape().size();
        for (int i = 0; fits && i < shape.size(); i++) fits = expected.shape().get(i) == -1 || expected.shape().get(i).equals(shape.get(i));
        ByteString content = answer.getRawOutputContents(at);
        ByteBuffer raw = content.asReadOnlyByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
        var values = DoubleStream.builder();
        var words = new ArrayList<String>();
        int count = 0;
        while (fits && raw.hasRemaining()) {
            fits = raw.remaining() >= (expected.dtype().equals("FP64") ? 8 : 4);
            if (!fits) break;
            switch (expected.dtype()) {
                case "FP32" -> values.add(Double.parseDouble(Float.toString(raw.getFloat()))); // its shortest decimal
                case "FP64" -> values.add(raw.getDouble());
                default -> {
                    int length = raw.getInt();
                    fits = length >= 0 && length <= raw.remaining();
                    if (fits) {
                        words.add(content.substring(raw.position(), raw.position() + length).toStringUtf8());
                        raw.position(raw.position() + length);
                    }
                }
            }
            count++;
        }
        double[] found = values.build().toArray();
        boolean finite = Arrays.stream(found).allMatch(Double::isFinite);
        if (!fits || !finite || count != shape.stream().reduce(1L, (a, b) -> a * b)) {
            throw nonsense("tensor " + expected.name() + " is " + outputs.get(at).getDatatype() + " " + shape);
        }
        numbers.put(expected.name(), found);
        texts.put(expected.name(), words);
    }

    private static VcfException nonsense(String what) {
        return new VcfException("SERVER_FAILED", "the answer makes no sense: " + what, VcfException.NEVER);
    }
}
