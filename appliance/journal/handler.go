package journal

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// handler is the slog.Handler of a Journal: key=value lines like those of slog.TextHandler. That one shares its
// code with the JSON handler and so brings encoding/json, 60 KB of flash that nothing else on the device needs.
type handler struct {
	j      *Journal
	prefix string // of the groups that are open: "a.b."
	attrs  string // those of WithAttrs, rendered, each with a blank before it
}

// stampFormat is RFC 3339 with milliseconds.
const stampFormat = "2006-01-02T15:04:05.000Z07:00"

var lines = sync.Pool{New: func() any { b := make([]byte, 0, 512); return &b }}

// Enabled implements slog.Handler.
func (h *handler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.j.level.Level() }

// Handle implements slog.Handler.
func (h *handler) Handle(_ context.Context, r slog.Record) error {
	buffer := lines.Get().(*[]byte)
	b := (*buffer)[:0]
	if !r.Time.IsZero() {
		b = append(b, "time="...)
		b = append(r.Time.AppendFormat(b, stampFormat), ' ')
	}
	b = append(b, "level="...)
	b = append(append(b, r.Level.String()...), " msg="...)
	b = appendText(b, r.Message)
	b = append(b, h.attrs...)
	r.Attrs(func(a slog.Attr) bool {
		b = appendAttr(b, h.prefix, a)
		return true
	})
	b = append(b, '\n')
	h.j.write(b)
	if *buffer = b; cap(b) <= maxLine {
		lines.Put(buffer)
	}
	return nil
}

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	b := []byte(h.attrs)
	for _, a := range attrs {
		b = appendAttr(b, h.prefix, a)
	}
	return &handler{j: h.j, prefix: h.prefix, attrs: string(b)}
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return &handler{j: h.j, prefix: h.prefix + name + ".", attrs: h.attrs}
}

// appendAttr writes " key=value"; the members of a group one by one, with its name before theirs.
func appendAttr(b []byte, prefix string, a slog.Attr) []byte {
	v := a.Value.Resolve() // a secret becomes its stars here
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, member := range v.Group() {
			b = appendAttr(b, prefix, member)
		}
		return b
	}
	if a.Equal(slog.Attr{}) {
		return b
	}
	b = append(appendText(append(b, ' '), prefix+a.Key), '=')
	switch v.Kind() {
	case slog.KindString:
		return appendText(b, v.String())
	case slog.KindInt64:
		return strconv.AppendInt(b, v.Int64(), 10)
	case slog.KindUint64:
		return strconv.AppendUint(b, v.Uint64(), 10)
	case slog.KindBool:
		return strconv.AppendBool(b, v.Bool())
	case slog.KindTime:
		return v.Time().AppendFormat(b, stampFormat)
	case slog.KindAny:
		return appendText(b, anyText(v.Any()))
	}
	return appendText(b, v.String()) // durations and fractions
}

// anyText renders a value of no kind of its own; one whose method panics, such as a nil pointer, must not take
// the line with it.
func anyText(v any) (text string) {
	defer func() {
		if p := recover(); p != nil {
			text = fmt.Sprintf("!PANIC: %v", p)
		}
	}()
	switch v := v.(type) {
	case error:
		return v.Error()
	case time.Duration:
		return v.String()
	case fmt.Stringer:
		return v.String()
	}
	return fmt.Sprint(v)
}

// appendText writes a text, in quotes where it could be taken for something else.
func appendText(b []byte, s string) []byte {
	if s == "" {
		return append(b, `""`...)
	}
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c <= ' ' || c == '"' || c == '=' || c == 0x7f {
				return strconv.AppendQuote(b, s)
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError || unicode.IsSpace(r) || !unicode.IsPrint(r) {
			return strconv.AppendQuote(b, s)
		}
		i += size
	}
	return append(b, s...)
}
