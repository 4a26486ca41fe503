package scenario

import (
	"bytes"
	"strings"
)

// archive is a txtar file: a comment, then files, each under a line "-- name --".
type archive struct {
	comment string
	files   map[string]string
}

func parseArchive(data []byte) archive {
	a := archive{files: map[string]string{}}
	var text strings.Builder
	name := ""
	flush := func() {
		if name == "" {
			a.comment = text.String()
		} else {
			a.files[name] = text.String()
		}
		text.Reset()
	}
	for line := range bytes.Lines(data) {
		if next, ok := fileMarker(string(line)); ok {
			flush()
			name = next
			continue
		}
		text.Write(line)
	}
	flush()
	return a
}

func fileMarker(line string) (string, bool) {
	line = strings.TrimRight(line, "\r\n ")
	if !strings.HasPrefix(line, "-- ") || !strings.HasSuffix(line, " --") || len(line) < 7 {
		return "", false
	}
	name := strings.TrimSpace(line[3 : len(line)-3])
	return name, name != ""
}
