// SPDX-License-Identifier: Apache-2.0
package vcf.client;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import io.grpc.Server;
import io.grpc.Status;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.StreamObserver;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import vcf.client.kserve.GRPCInferenceServiceGrpc;
import vcf.client.kserve.ModelConfig;
import vcf.client.kserve.ModelConfigRequest;
import vcf.client.kserve.ModelConfigResponse;
import vcf.client.kserve.ModelInferRequest;
import vcf.client.kserve.ModelInferResponse;
import vcf.client.kserve.ModelParameter;

class VcfClientTest {
    /** Gives an answer, or the error that a test asks for, and counts. */
    private static final class Fake extends GRPCInferenceServiceGrpc.GRPCInferenceServiceImplBase {
        Status status = Status.OK;
        String version = Contract.CONTRACT.version();
        ModelInferResponse.Builder answer = anAnswer();
        ModelInferRequest request;
        int asked;
        int busy;

        @Override
        public void modelConfig(ModelConfigRequest request, StreamObserver<ModelConfigResponse> out) {
            var parameter = ModelParameter.newBuilder().setStringValue(version).build();
            var config = ModelConfig.newBuilder().putParameters("contract_version", parameter);
            out.onNext(ModelConfigResponse.newBuilder().setConfig(config).build());
            out.onCompleted();
        }

        @Override
        public void modelInfer(ModelInferRequest request, StreamObserver<ModelInferResponse> out) {
            asked++;
            this.request = request;
            if (busy-- > 0) {
                out.onError(Status.UNAVAILABLE.withDescription("[request id: x] Exceeds maximum queue size").asRuntimeException());
            } else if (!status.isOk()) {
                out.onError(status.asRuntimeException());
            } else {
                out.onNext(answer.build());
                out.onCompleted();
            }
        }
    }

    private final Fake fake = new Fake();
    private Server server;
    @TempDir Path folder;

    @BeforeEach
    void start() throws Exception {
        server = NettyServerBuilder.forAddress(new InetSocketAddress("127.0.0.1", 0)).addService(fake).build().start();
        Files.createDirectory(folder.resolve("below"));
        Files.write(folder.resolve("a"), dicom("first"));
        Files.write(folder.resolve("below").resolve("b"), dicom("second"));
        Files.writeString(folder.resolve("notes.txt"), "no DICOM");
    }

    @AfterEach
    void stop() {
        server.shutdownNow();
    }

    @Test
    void filesGoAndFindingsCome() throws Exception {
        try (var client = client(5, "block")) {
            var found = client.analyze(folder);
            var sent = element(dicom("first")).concat(element(dicom("second")));
            assertEquals(List.of(sent), fake.request.getRawInputContentsList());
            assertEquals(2, fake.request.getInputs(0).getShape(0));
            long left = fake.request.getParametersOrThrow("timeout").getInt64Param();
            assertTrue(left > 0 && left <= 20_000_000);
            assertEquals("block", fake.request.getParametersOrThrow("age_policy").getStringParam());
            assertEquals(0.7, found.studyScore());
            assertTrue(found.positive() && found.patches().get(1).positive());
            assertFalse(found.patches().get(0).positive());
            assertArrayEquals(new double[][] {{4, 21, -270}, {8, 24, -240}}, found.patches().get(0).boxMm());
            assertArrayEquals(new double[] {6, 22.5, -299.88}, found.centreLineMm().get(0));
            assertEquals(List.of("THICK_SLICES", "CANAL_INTERPOLATED"), found.flags());
            assertTrue(found.toJson().contains("\"study_score\": 0.7"));
        }
    }

    @Test
    void errorsHaveTheCodesOfTheContract() throws Exception {
        try (var client = client(5, "warn")) {
            fake.busy = 2;
            client.analyze(folder);
            assertEquals(3, fake.asked);
            record Case(Status status, String text, String code) {}
            for (var one : List.of(new Case(Status.INVALID_ARGUMENT, "in ensemble 'vcf_dicom', TOO_SHORT: 3 slices\n\nAt: x", "TOO_SHORT"),
                    new Case(Status.INTERNAL, "SOME_THING: out of memory", "SERVER_FAILED"),
                    new Case(Status.CANCELLED, "DEADLINE_EXCEEDED: no time left", "DEADLINE_EXCEEDED"),
                    new Case(Status.UNAVAILABLE, "This protocol is restricted, expecting header 'triton-grpc-protocol-k'", "ACCESS_DENIED"),
                    new Case(Status.INTERNAL, "Stub process is not healthy", "SERVER_FAILED"))) {
                fake.asked = 0;
                fake.status = one.status.withDescription(one.text);
                assertEquals(one.code, code(client, folder));
                assertEquals(1, fake.asked);
            }
            fake.status = Status.OK;
            fake.answer.setRawOutputContents(0, ByteString.copyFrom(new byte[3]));
            assertEquals("SERVER_FAILED", code(client, folder));
            fake.answer = anAnswer().setRawOutputContents(9, ByteString.copyFrom(new byte[] {-1, -1, -1, -1, 0}));
            assertEquals("SERVER_FAILED", code(client, folder));
            assertEquals("NOT_DICOM", code(client, folder.resolve("notes.txt")));
            assertEquals("NO_IMAGES", code(client, folder.resolve("nowhere")));
        }
    }

    @Test
    void otherServers() throws Exception {
        fake.version = "1.0.0";
        try (var client = client(2, "warn"); var gone = new VcfClient(List.of("127.0.0.1:1"), options(2, "warn"))) {
            assertEquals("CONTRACT_DIFFERS", code(client, folder));
            assertEquals(0, fake.asked);
            assertEquals("SERVER_UNAVAILABLE", code(gone, folder));
        }
        var keyed = new VcfClient.Options(20, 1, null, "name=value", "warn");
        assertThrows(IllegalArgumentException.class, () -> new VcfClient(List.of("elsewhere.example:1"), keyed));
    }

    private VcfClient client(int attempts, String agePolicy) {
        return new VcfClient(List.of("127.0.0.1:" + server.getPort()), options(attempts, agePolicy));
    }

    private static VcfClient.Options options(int attempts, String agePolicy) {
        return new VcfClient.Options(20, attempts, null, null, agePolicy);
    }

    private static String code(VcfClient client, Path study) {
        return assertThrows(VcfException.class, () -> client.analyze(study)).code();
    }

    private static byte[] dicom(String content) {
        return ("\0".repeat(128) + "DICM" + content).getBytes(StandardCharsets.US_ASCII);
    }

    private static ByteString element(byte[] value) {
        return ByteString.copyFrom(little(4).putInt(value.length).flip()).concat(ByteString.copyFrom(value));
    }

    private static ByteBuffer little(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    /** Two patches, the second suspected, in a frame that is turned by 90 degrees about the patient's z. */
    private static ModelInferResponse.Builder anAnswer() {
        var answer = ModelInferResponse.newBuilder().setModelVersion("1");
        add(answer, "study_score", new double[] {0.7}, 1);
        add(answer, "threshold", new double[] {0.7}, 1);
        add(answer, "patch_probabilities", new double[] {0.1, 0.9}, 2);
        add(answer, "patch_scores", new double[] {0.3, 0.7}, 2);
        add(answer, "patch_boxes_mm", new double[] {1, 2, 30, 4, 6, 60, 1, 2, 0, 4, 6, 30}, 2, 6);
        add(answer, "location", new double[] {0.25, 0.75}, 2);
        texts(answer, "model_hash", "f".repeat(64));
        add(answer, "stage_timings_ms", new double[] {1, 2}, 2);
        add(answer, "centre_line_mm", new double[] {2.5, 4, 0.125}, 1, 3);
        texts(answer, "flags", "CANAL_INTERPOLATED", "THICK_SLICES");
        add(answer, "patient_affine", new double[] {0, -1, 0, 10, 1, 0, 0, 20, 0, 0, 1, -300, 0, 0, 0, 1}, 4, 4);
        texts(answer, "series_uid", "1.2.3");
        texts(answer, "study_flags", "THICK_SLICES");
        texts(answer, "selection");
        return answer;
    }

    private static void add(ModelInferResponse.Builder answer, String name, double[] values, long... shape) {
        boolean wide = name.equals("patient_affine");
        var raw = little(values.length * (wide ? 8 : 4));
        for (double value : values) {
            if (wide) raw.putDouble(value);
            else raw.putFloat((float) value);
        }
        var output = answer.addOutputsBuilder().setName(name).setDatatype(wide ? "FP64" : "FP32");
        for (long extent : shape) output.addShape(extent);
        answer.addRawOutputContents(ByteString.copyFrom(raw.flip()));
    }

    private static void texts(ModelInferResponse.Builder answer, String name, String... values) {
        answer.addOutputsBuilder().setName(name).setDatatype("BYTES").addShape(values.length);
        answer.addRawOutputContents(ByteString.copyFrom(List.of(values).stream().map(value -> element(value.getBytes(StandardCharsets.UTF_8))).toList()));
    }
}
