// Package metrictest checks what netsvc/metric renders, as a monitoring system would that takes the specification
// at its word.
package metrictest

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

var (
	nameForm   = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`)
	sampleForm = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$`)
	labelForm  = regexp.MustCompile(`^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)`)
)

// suffixes are the names that samples of a family may have, by its type: OpenMetrics 1.0, section 5.
var suffixes = map[string][]string{
	"counter": {"_total", "_created"}, "gauge": {""}, "info": {"_info"}, "summary": {"_count", "_sum", "_created"},
}

// family is what the metadata lines say, and what came after them.
type family struct {
	name, kind, unit string
	help             bool
	samples          map[string]bool
}

// OpenMetrics says what is wrong with a text in the format of OpenMetrics 1.0, as promtool and the specification's
// own checks do: form of each line, metadata before samples, families in one piece, suffixes, units, values.
func OpenMetrics(text string) (faults []string) {
	fault := func(line int, format string, args ...any) {
		faults = append(faults, fmt.Sprintf("line %d: ", line+1)+fmt.Sprintf(format, args...))
	}
	if !strings.HasSuffix(text, "# EOF\n") {
		faults = append(faults, "the end is not # EOF and a line feed")
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	seen := make(map[string]bool)
	var f *family
	begin := func(line int, name string) {
		if f != nil && f.name == name {
			return
		}
		if !nameForm.MatchString(name) {
			fault(line, "%q is no name", name)
		}
		if seen[name] {
			fault(line, "%s is in two pieces", name)
		}
		seen[name] = true
		f = &family{name: name, samples: make(map[string]bool)}
	}
	for i, line := range lines {
		words := strings.SplitN(line, " ", 4)
		switch {
		case line == "# EOF":
			if i != len(lines)-1 {
				fault(i, "# EOF is not the last line")
			}
		case words[0] == "#" && len(words) >= 3:
			begin(i, words[2])
			if len(f.samples) > 0 {
				fault(i, "metadata after samples")
			}
			rest := strings.Join(words[3:], "")
			switch words[1] {
			case "TYPE":
				if f.kind != "" || suffixes[rest] == nil {
					fault(i, "type %q", rest)
				}
				f.kind = rest
			case "UNIT":
				if f.unit != "" || rest == "" || !strings.HasSuffix(f.name, "_"+rest) {
					fault(i, "the name %s does not end in its unit %q", f.name, rest)
				}
				f.unit = rest
			case "HELP":
				if f.help || rest == "" {
					fault(i, "help")
				}
				f.help = true
			default:
				fault(i, "what is %s?", words[1])
			}
		default:
			for _, text := range sample(f, line) {
				fault(i, "%s", text)
			}
		}
	}
	return faults
}

// sample checks one line against its family.
func sample(f *family, line string) (faults []string) {
	m := sampleForm.FindStringSubmatch(line)
	if m == nil {
		return []string{fmt.Sprintf("%q is no sample", line)}
	}
	name, labels, value := m[1], m[2], m[3]
	if f == nil || f.kind == "" {
		return []string{name + " has no type before it"}
	}
	suffix, ok := strings.CutPrefix(name, f.name)
	if !ok || !has(suffixes[f.kind], suffix) {
		faults = append(faults, fmt.Sprintf("%s is no sample of the %s %s", name, f.kind, f.name))
	}
	known := make(map[string]bool)
	for rest := labels; rest != ""; {
		l := labelForm.FindStringSubmatch(rest)
		if l == nil {
			return append(faults, fmt.Sprintf("labels %q", labels))
		}
		if known[l[1]] {
			faults = append(faults, "label "+l[1]+" twice")
		}
		known[l[1]] = true
		rest = rest[len(l[0]):]
	}
	if f.samples[name+labels] {
		faults = append(faults, name+"{"+labels+"} twice")
	}
	f.samples[name+labels] = true
	n, err := strconv.ParseFloat(value, 64)
	switch {
	case err != nil:
		faults = append(faults, fmt.Sprintf("value %q", value))
	case (f.kind == "counter" || f.kind == "summary") && n < 0:
		faults = append(faults, name+" is negative")
	case f.kind == "info" && value != "1":
		faults = append(faults, name+" is not 1")
	}
	return faults
}

func has(list []string, s string) bool {
	for _, e := range list {
		if e == s {
			return true
		}
	}
	return false
}
