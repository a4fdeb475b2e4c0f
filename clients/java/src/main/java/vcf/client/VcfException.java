// SPDX-License-Identifier: Apache-2.0
package vcf.client;

import static vcf.client.Contract.CONTRACT;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.util.regex.Pattern;

/** Why there are no findings. The code is one of the contract's: of a refusal, or of {@code errors.codes}. */
public class VcfException extends Exception {
    static final String NEVER = "never", ELSEWHERE = "elsewhere", AGAIN = "again";
    private static final Pattern BAD_CERTIFICATE = Pattern.compile("SSL|TLS|certificate|CertPath", Pattern.CASE_INSENSITIVE);
    final String code;
    final String retry;

    VcfException(String code, String sentence, String retry) {
        super(sentence);
        this.code = code;
        this.retry = retry;
    }

    public String code() {
        return code;
    }

    /** The study cannot or must not be analysed: an answer, not a failure. */
    public static final class Refused extends VcfException {
        Refused(String code, String sentence) {
            super(code, sentence, NEVER);
        }
    }

    static VcfException late(String address) {
        return new VcfException("DEADLINE_EXCEEDED", "no answer from " + address + " in time", NEVER);
    }

    /** What a failed call means, by the rules of the contract. */
    static VcfException of(StatusRuntimeException error, String address, boolean secure) {
        Status status = error.getStatus();
        String text = String.valueOf(status.getDescription()).replaceAll("\\s+", " ").strip();
        var match = Contract.REFUSAL.matcher(text);
        while (match.find()) {
            if (CONTRACT.codes().containsKey(match.group(1))) return new Refused(match.group(1), text.substring(match.end()));
        }
        String sentence = "the server at " + address + ": " + status.getCode() + " (" + text + ")";
        if (status.getCode() == Status.Code.UNAVAILABLE) {
            // gRPC for Java says why a connection never came about in the causes alone.
            for (Throwable cause = status.getCause(); cause != null; cause = cause.getCause()) {
                if (secure && BAD_CERTIFICATE.matcher(cause.toString()).find()) return new VcfException("NOT_TRUSTED", sentence, ELSEWHERE);
                if (cause instanceof java.net.ConnectException || cause instanceof java.net.UnknownHostException) {
                    return new VcfException("SERVER_UNAVAILABLE", sentence, AGAIN);
                }
            }
        }
        for (var rule : CONTRACT.errors().rules()) {
            boolean named = rule.statuses().isEmpty() || rule.statuses().contains(status.getCode().name());
            if (named && Pattern.compile(rule.words(), Pattern.CASE_INSENSITIVE).matcher(text).find()) {
                return new VcfException(rule.error(), sentence, rule.retry());
            }
        }
        return new VcfException("SERVER_FAILED", sentence, NEVER);
    }
}
