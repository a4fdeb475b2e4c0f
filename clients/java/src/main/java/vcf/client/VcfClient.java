// SPDX-License-Identifier: Apache-2.0
package vcf.client;

import static vcf.client.Contract.CONTRACT;
import static vcf.client.Contract.INPUT;
import static vcf.client.Contract.MODEL;

import com.google.protobuf.ByteString;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.shaded.io.netty.handler.ssl.SslContext;
import io.grpc.stub.MetadataUtils;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.nio.file.Path;
import vcf.client.kserve.GRPCInferenceServiceGrpc;
import vcf.client.kserve.InferParameter;
import vcf.client.kserve.ModelConfigRequest;
import vcf.client.kserve.ModelInferRequest;
import vcf.client.kserve.ModelInferResponse;

/** Sends the DICOM files of CT studies to vcf-triton servers and returns their findings. Threads may share it. */
public final class VcfClient implements AutoCloseable {
    private static final double LEAST_ATTEMPT_S = 0.1;
    private static final long PATIENCE_MS = 1000;

    /**
     * How servers are called.
     *
     * @param deadlineS longest wait for the findings of a study, retries included
     * @param attempts how often a request that no server has begun is sent
     * @param tls null is a plain connection
     * @param apiKey NAME=VALUE or null; to other machines over TLS only
     * @param agePolicy warn or block
     */
    public record Options(double deadlineS, int attempts, SslContext tls, String apiKey, String agePolicy) {
        public Options {
            if (!(deadlineS > 0) || attempts < 1 || apiKey != null && apiKey.indexOf('=') < 1) {
                throw new IllegalArgumentException("a deadline and attempts above 0 and an API key NAME=VALUE are accepted");
            }
        }

        public Options() {
            this(CONTRACT.defaults().deadlineS(), CONTRACT.retry().attempts(), null, null, "warn");
        }
    }

    private static final class Server {
        final String address;
        final ManagedChannel channel;
        final GRPCInferenceServiceGrpc.GRPCInferenceServiceBlockingStub service;
        volatile boolean speaks;

        Server(String address, Options options) {
            this.address = address;
            var builder = NettyChannelBuilder.forTarget(address).maxInboundMessageSize(CONTRACT.limits().messageBytes()).disableRetry()
                    .proxyDetector(target -> null); // a study goes to this address and nowhere else
            channel = (options.tls == null ? builder.usePlaintext() : builder.sslContext(options.tls)).build();
            var headers = new Metadata();
            if (options.apiKey != null) {
                if (options.tls == null && !address.matches("(127\\..*|localhost|\\[::1\\]):\\d+")) {
                    throw new IllegalArgumentException("an API key goes to other machines over TLS only");
                }
                String[] pair = options.apiKey.split("=", 2);
                headers.put(Metadata.Key.of(CONTRACT.apiKeyHeaderPrefix() + pair[0], Metadata.ASCII_STRING_MARSHALLER), pair[1]);
            }
            service = GRPCInferenceServiceGrpc.newBlockingStub(channel).withInterceptors(MetadataUtils.newAttachHeadersInterceptor(headers));
        }
    }

    private final List<Server> servers = new ArrayList<>();
    private final Options options;
    private final AtomicInteger turn = new AtomicInteger();

    /** A client of servers {@code host:port}, which are used in turn. */
    public VcfClient(List<String> addresses, Options options) {
        this.options = options;
        for (String address : addresses.isEmpty() ? List.of(CONTRACT.defaults().address()) : addresses) servers.add(new Server(address, options));
    }

    @Override
    public void close() {
        servers.forEach(server -> server.channel.shutdownNow());
    }

    /** Find fractures in the DICOM files of a folder, or in one file. */
    public Findings analyze(Path study) throws VcfException, InterruptedException {
        double started = now();
        var files = StudyFiles.read(study);
        double read = now();
        var request = ModelInferRequest.newBuilder().setModelName(MODEL).addRawInputContents(files.content());
        request.addInputsBuilder().setName(INPUT).setDatatype("BYTES").addShape(files.count());
        CONTRACT.findings().madeFrom().forEach(name -> request.addOutputsBuilder().setName(name));
        double prepared = now();
        var answer = send(request, prepared + options.deadlineS);
        var clientMs = new LinkedHashMap<String, Double>();
        clientMs.put("read", (read - started) * 1e3);
        clientMs.put("prepare", (prepared - read) * 1e3);
        clientMs.put("network", (now() - prepared) * 1e3);
        return Findings.of(answer, request.build().getSerializedSize(), clientMs);
    }

    /** Ask the servers in turn, and again after a pause where no server has begun to work on the study. */
    private ModelInferResponse send(ModelInferRequest.Builder request, double until) throws VcfException, InterruptedException {
        int first = Math.floorMod(turn.getAndIncrement(), servers.size());
        for (int attempt = 1; ; attempt++) {
            VcfException kept = null;
            for (int i = 0; i < servers.size(); i++) {
                var server = servers.get((first + i) % servers.size());
                if (now() >= until) throw kept != null ? kept : VcfException.late(server.address);
                try {
                    return ask(server, request, until);
                } catch (VcfException failed) {
                    if (failed.retry.equals(VcfException.NEVER)) throw failed;
                    if (kept == null || !kept.retry.equals(VcfException.AGAIN)) kept = failed;
                }
            }
            double longest = Math.min(CONTRACT.retry().longestS(), CONTRACT.retry().firstS() * Math.pow(2, attempt - 1));
            double pause = ThreadLocalRandom.current().nextDouble() * longest;
            boolean noTime = now() + pause + LEAST_ATTEMPT_S >= until;
            if (kept.retry.equals(VcfException.ELSEWHERE) || attempt >= options.attempts || noTime) throw kept;
            Thread.sleep((long) (pause * 1e3));
        }
    }

    /** One server: compare contracts, once, and analyse the study. */
    private ModelInferResponse ask(Server server, ModelInferRequest.Builder request, double until) throws VcfException {
        server.channel.resetConnectBackoff(); // pauses are made in one place, above
        if (!server.speaks) compare(server, until);
        long leftUs = Math.max(1, (long) ((until - now()) * 1e6));
        request.setId("java-" + UUID.randomUUID());
        request.putParameters("timeout", InferParameter.newBuilder().setInt64Param(leftUs).build());
        request.putParameters("age_policy", InferParameter.newBuilder().setStringParam(options.agePolicy).build());
        try {
            return server.service.withDeadlineAfter(leftUs, TimeUnit.MICROSECONDS).modelInfer(request.build());
        } catch (StatusRuntimeException error) {
            throw VcfException.of(error, server.address, options.tls != null);
        }
    }

    /** Ask a server which contract it speaks; of one that does not say, the study itself tells what is wrong. */
    private void compare(Server server, double until) throws VcfException {
        long leftMs = Math.max(1, Math.min(PATIENCE_MS, (long) ((until - now()) * 1e3)));
        try {
            var asking = server.service.withDeadlineAfter(leftMs, TimeUnit.MILLISECONDS);
            var parameters = asking.modelConfig(ModelConfigRequest.newBuilder().setName(MODEL).build()).getConfig().getParametersMap();
            var said = parameters.get(CONTRACT.servedAs().get("version"));
            if (said != null && !CONTRACT.speaks(said.getStringValue())) {
                throw new VcfException("CONTRACT_DIFFERS", "the server at " + server.address + " speaks the contract " + said.getStringValue()
                        + ", this client " + CONTRACT.version(), VcfException.ELSEWHERE);
            }
            server.speaks = said != null;
        } catch (StatusRuntimeException silent) {
            server.speaks = false;
        }
    }

    private static double now() {
        return System.nanoTime() / 1e9;
    }

    /** A study's files as the content of a BYTES tensor. */
    record Content(ByteString content, int count) {}
}
