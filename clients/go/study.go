// SPDX-License-Identifier: Apache-2.0

package vcf

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// readStudy gives the raw content of the input tensor, the DICOM files one an element, and how many these are.
func readStudy(study string) ([]byte, int, error) {
	if _, err := os.Stat(study); err != nil {
		return nil, 0, refused("NO_IMAGES", "the input cannot be opened; a readable folder or file is accepted")
	}
	if strings.EqualFold(filepath.Base(study), "DICOMDIR") {
		study = filepath.Dir(study)
	}
	var content []byte
	count, seen := 0, 0
	err := filepath.WalkDir(study, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil // what cannot be read is passed over: the server notices a missing slice
		}
		if seen++; seen > mostFiles {
			return refused("BAD_INPUT", "the folder holds too many files; give the folder of one study")
		}
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() {
			return nil
		}
		if len(content)+int(info.Size()) > mostBytes-4096 {
			return refused("TOO_LARGE", "the files have more than the 2 GiB of a message")
		}
		if bytes, err := os.ReadFile(path); err == nil && looksLikeDicom(bytes) {
			content = element(content, bytes)
			count++
		}
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	if count == 0 {
		return nil, 0, refused("NOT_DICOM", "no DICOM file was found; a DICOM series of CT slices is accepted")
	}
	return content, count, nil
}

// looksLikeDicom tells a file by DICOM PS3.10 section 7.1, or a data set without preamble that begins in group 2 or 8.
func looksLikeDicom(b []byte) bool {
	if len(b) >= 132 && string(b[128:132]) == "DICM" {
		return true
	}
	return len(b) >= 4 && b[1] == 0 && b[3] == 0 && (b[0] == 2 && b[2] == 0 || b[0] == 8 && strings.IndexByte("\x00\x01\x05\x08\x16", b[2]) >= 0)
}
