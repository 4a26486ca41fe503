package metric

import (
	"strconv"
	"strings"
	"time"
)

// AppendOpenMetrics renders all metrics in the text format of OpenMetrics 1.0, whose media type is
// OpenMetricsType. A timer becomes a summary, in seconds, and a gauge of the longest duration. A table without
// rows has its metadata.
func (s *Set) AppendOpenMetrics(dst []byte) []byte {
	g := s.current.Load()
	if g == nil {
		return append(dst, "# EOF\n"...)
	}
	for _, e := range g.entries {
		d := &e.desc
		name := openName(d)
		var longest []byte // of a timer: its gauge is a family of its own and must not be mixed in
		if d.Kind == KindTime {
			longest = appendFamily(nil, name+"_max_seconds", "gauge", Seconds, d)
			dst = appendFamily(dst, name+"_seconds", "summary", Seconds, d)
		} else {
			kind := [...]string{KindCounter: "counter", KindGauge: "gauge", KindInfo: "info"}[d.Kind]
			dst = appendFamily(dst, name, kind, d.Unit, d)
		}
		e.walk(func(sample Sample) bool {
			switch d.Kind {
			case KindCounter:
				dst = appendSample(dst, name+"_total", sample)
				dst = strconv.AppendInt(dst, sample.Value, 10)
			case KindGauge:
				dst = appendSample(dst, name, sample)
				dst = strconv.AppendInt(dst, sample.Value, 10)
			case KindTime:
				dst = appendSample(dst, name+"_seconds_count", sample)
				dst = append(strconv.AppendUint(dst, sample.Count, 10), '\n')
				dst = appendSample(dst, name+"_seconds_sum", sample)
				dst = appendSeconds(dst, sample.Sum)
				longest = appendSample(longest, name+"_max_seconds", sample)
				longest = append(appendSeconds(longest, sample.Max), '\n')
			case KindInfo:
				dst = append(dst, name+"_info{value="...)
				dst = appendLabel(dst, sample.Text)
				dst = append(dst, "} 1"...)
			}
			dst = append(dst, '\n')
			return true
		}, Sample{Desc: d, Section: e.section})
		dst = append(dst, longest...)
	}
	return append(dst, "# EOF\n"...)
}

// OpenMetricsType is the media type of what AppendOpenMetrics renders.
const OpenMetricsType = "application/openmetrics-text; version=1.0.0; charset=utf-8"

// openName makes "c2sConnections" linnet_c2s_connections, with the unit at the end where there is one.
func openName(d *Desc) string {
	var b strings.Builder
	b.WriteString("linnet_")
	for _, c := range []byte(d.Name) {
		if c >= 'A' && c <= 'Z' {
			b.WriteByte('_')
			c += 'a' - 'A'
		}
		b.WriteByte(c)
	}
	if name := b.String(); d.Unit != "" && d.Kind != KindTime && !strings.HasSuffix(name, "_"+d.Unit) {
		return name + "_" + d.Unit
	}
	return b.String()
}

func appendFamily(dst []byte, name, kind, unit string, d *Desc) []byte {
	dst = append(dst, "# TYPE "+name+" "+kind+"\n"...)
	if unit != "" {
		dst = append(dst, "# UNIT "+name+" "+unit+"\n"...)
	}
	return append(dst, "# HELP "+name+" "+strings.NewReplacer("\\", `\\`, "\n", `\n`, `"`, `\"`).Replace(d.Help)+"\n"...)
}

// appendSample writes the name with its labels and the blank before the value.
func appendSample(dst []byte, name string, s Sample) []byte {
	dst = append(dst, name...)
	for i, label := range s.Desc.Labels {
		separator := byte(',')
		if i == 0 {
			separator = '{'
		}
		dst = append(append(dst, separator), label...)
		value := ""
		if i < len(s.Labels) {
			value = s.Labels[i]
		}
		dst = appendLabel(append(dst, '='), value)
	}
	if len(s.Desc.Labels) > 0 {
		dst = append(dst, '}')
	}
	return append(dst, ' ')
}

func appendLabel(dst []byte, value string) []byte {
	dst = append(dst, '"')
	for _, c := range []byte(strings.ToValidUTF8(value, "\uFFFD")) {
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

func appendSeconds(dst []byte, d time.Duration) []byte {
	return strconv.AppendFloat(dst, d.Seconds(), 'f', -1, 64)
}
