// SPDX-License-Identifier: Apache-2.0
package vcf.client;

import static vcf.client.Contract.CONTRACT;

import com.google.protobuf.ByteString;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The DICOM files of a study. */
final class StudyFiles {
    private StudyFiles() {}

    static VcfClient.Content read(Path study) throws VcfException {
        if (!Files.isReadable(study)) throw new VcfException.Refused("NO_IMAGES", "the input cannot be opened; a readable folder or file is accepted");
        boolean directory = study.getFileName() != null && study.getFileName().toString().equalsIgnoreCase("DICOMDIR");
        List<Path> paths;
        try (var walk = Files.walk(directory ? study.toAbsolutePath().getParent() : study)) {
            paths = walk.filter(Files::isRegularFile).sorted().limit(CONTRACT.limits().files() + 1L).toList();
        } catch (IOException | java.io.UncheckedIOException error) {
            throw new VcfException.Refused("NO_IMAGES", "the input cannot be read; a readable folder or file is accepted");
        }
        if (paths.size() > CONTRACT.limits().files()) throw new VcfException.Refused("BAD_INPUT", "the folder holds too many files; give the folder of one study");
        var elements = new ArrayList<ByteString>();
        long size = 0;
        for (Path path : paths) {
            byte[] file;
            try {
                file = Files.readAllBytes(path);
            } catch (IOException error) {
                continue; // the server notices a missing slice
            }
            if (!looksLikeDicom(file)) continue;
            size += 4L + file.length;
            if (size > CONTRACT.limits().messageBytes() - 4096) throw new VcfException.Refused("TOO_LARGE", "the files have more than the 2 GiB of a message");
            elements.add(ByteString.copyFrom(ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(file.length).flip()));
            elements.add(ByteString.copyFrom(file));
        }
        if (elements.isEmpty()) throw new VcfException.Refused("NOT_DICOM", "no DICOM file was found; a DICOM series of CT slices is accepted");
        return new VcfClient.Content(ByteString.copyFrom(elements), elements.size() / 2);
    }

    /** DICOM PS3.10 section 7.1, or a data set without preamble that begins in group 2 or 8. */
    private static boolean looksLikeDicom(byte[] b) {
        if (b.length >= 132 && b[128] == 'D' && b[129] == 'I' && b[130] == 'C' && b[131] == 'M') return true;
        return b.length >= 4 && b[1] == 0 && b[3] == 0 && (b[0] == 2 && b[2] == 0 || b[0] == 8 && "\0\1\5\10\26".indexOf(b[2]) >= 0);
    }
}
