// SPDX-License-Identifier: Apache-2.0
package vcf.client;

import com.google.gson.FieldNamingPolicy;
import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/** What the client needs of the contract: {@code contract.json}, which {@code vcf export contract} writes. */
record Contract(String version, String notice, Map<String, String> servedAs, Map<String, EntryModel> entryModels,
        Map<String, Object> codes, Errors errors, Retry retry, String apiKeyHeaderPrefix, Limits limits, Defaults defaults,
        List<String> stages, List<String> networks, Findings findings) {
    record EntryModel(List<Tensor> inputs, List<Tensor> outputs) {}

    record Tensor(String name, String dtype, List<Long> shape) {}

    record Errors(String refusal, List<Rule> rules) {}

    record Rule(List<String> statuses, String words, String error, String retry) {}

    record Retry(int attempts, double firstS, double longestS) {}

    record Limits(int files, int messageBytes) {}

    record Defaults(String address, double deadlineS) {}

    record Findings(String schemaVersion, String transport, String hashKeyVariable, List<String> madeFrom) {}

    static final Gson JSON = new GsonBuilder().setFieldNamingPolicy(FieldNamingPolicy.LOWER_CASE_WITH_UNDERSCORES)
            .disableHtmlEscaping().setPrettyPrinting().create();
    static final Contract CONTRACT = read();
    static final String MODEL = "vcf_dicom";
    static final String INPUT = CONTRACT.entryModels.get(MODEL).inputs().get(0).name();
    static final Pattern REFUSAL = Pattern.compile(CONTRACT.errors.refusal());

    private static Contract read() {
        try (var file = Contract.class.getResourceAsStream("/contract.json")) {
            return JSON.fromJson(new InputStreamReader(file, StandardCharsets.UTF_8), Contract.class);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    /** Whether a server of this version is one for this client: the major versions are the same. */
    boolean speaks(String other) {
        return other.matches(version.substring(0, version.indexOf('.')) + "\\.\\d+\\.\\d+");
    }
}
