// SPDX-License-Identifier: Apache-2.0
package vcf.client;

import io.grpc.netty.shaded.io.grpc.netty.GrpcSslContexts;
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** One study to running servers; its findings, or the error, as JSON to the standard output. */
public final class Main {
    private static final String USAGE = "usage: vcf-analyze STUDY [--server HOST:PORT]... [--deadline S] [--attempts N] [--age-policy warn|block]\n"
            + "  [--tls-ca PEM] [--tls-cert PEM --tls-key PEM] [--api-key-file FILE]\nexit codes: 0 analysed, 2 refused, 3 server, 64 wrong usage";

    private Main() {}

    public static void main(String[] words) throws Exception {
        System.exit(run(words));
    }

    static int run(String[] words) throws Exception {
        var servers = new ArrayList<String>();
        var given = new HashMap<String, String>();
        var studies = new ArrayList<String>();
        for (int i = 0; i < words.length; i++) {
            if (!words[i].startsWith("--")) studies.add(words[i]);
            else if (i + 1 == words.length) studies.clear();
            else if (words[i].equals("--server")) servers.add(words[++i]);
            else given.put(words[i].substring(2), words[++i]);
        }
        var known = List.of("deadline", "attempts", "age-policy", "tls-ca", "tls-cert", "tls-key", "api-key-file");
        if (studies.size() != 1 || !known.containsAll(given.keySet())) {
            System.err.println(USAGE);
            return 64;
        }
        var usual = new VcfClient.Options();
        String keyFile = given.get("api-key-file");
        var tls = GrpcSslContexts.forClient();
        if (given.containsKey("tls-ca")) tls.trustManager(new File(given.get("tls-ca")));
        if (given.containsKey("tls-cert")) tls.keyManager(new File(given.get("tls-cert")), new File(given.get("tls-key")));
        var options = new VcfClient.Options(Double.parseDouble(given.getOrDefault("deadline", "" + usual.deadlineS())),
                Integer.parseInt(given.getOrDefault("attempts", "" + usual.attempts())),
                given.containsKey("tls-ca") || given.containsKey("tls-cert") ? tls.build() : null,
                keyFile == null ? null : Files.readString(Path.of(keyFile)).strip(), given.getOrDefault("age-policy", usual.agePolicy()));
        try (var client = new VcfClient(servers, options)) {
            System.out.println(client.analyze(Path.of(studies.get(0))).toJson());
            return 0;
        } catch (VcfException error) {
            System.out.println(Contract.JSON.toJson(Map.of("error", Map.of("code", error.code(), "sentence", error.getMessage()))));
            return error instanceof VcfException.Refused ? 2 : 3;
        }
    }
}
