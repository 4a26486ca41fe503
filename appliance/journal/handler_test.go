package journal

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/slogtest"
	"time"

	"linnet/netsvc/config"
)

// parseLine takes a line apart into what slogtest compares: nested maps.
func parseLine(t *testing.T, line string) map[string]any {
	t.Helper()
	top := map[string]any{}
	for _, field := range strings.Fields(line) {
		key, value, ok := strings.Cut(field, "=")
		if !ok {
			t.Fatalf("line %q", line)
		}
		m := top
		path := strings.Split(key, ".")
		for _, name := range path[:len(path)-1] {
			if m[name] == nil {
				m[name] = map[string]any{}
			}
			m = m[name].(map[string]any)
		}
		m[path[len(path)-1]] = value
	}
	return top
}

func TestHandlerKeepsTheRulesOfSlog(t *testing.T) {
	var out bytes.Buffer
	j := New(&out)
	slogtest.Run(t, func(t *testing.T) slog.Handler {
		out.Reset()
		return j.Log().Handler()
	}, func(t *testing.T) map[string]any {
		return parseLine(t, out.String())
	})
}

type moody struct{}

func (*moody) Error() string { panic("oh") }

func TestHandler(t *testing.T) {
	for _, tc := range []struct {
		name string
		log  func(*slog.Logger)
		want string // after the time
	}{
		{"words", func(l *slog.Logger) { l.Info("two words", "key", "a b") }, `level=INFO msg="two words" key="a b"`},
		{"kinds", func(l *slog.Logger) {
			l.Warn("x", "i", -1, "u", uint64(1<<63), "b", true, "f", 1.5, "d", 1500*time.Millisecond, "t", time.Unix(0, 5e6).UTC())
		}, `level=WARN msg=x i=-1 u=9223372036854775808 b=true f=1.5 d=1.5s t=1970-01-01T00:00:00.005Z`},
		{"error", func(l *slog.Logger) { l.Error("x", "cause", errors.New("no space left")) }, `level=ERROR msg=x cause="no space left"`},
		{"nothing", func(l *slog.Logger) { l.Info("", "a", "", "b", nil) }, `level=INFO msg="" a="" b=<nil>`},
		{"panic", func(l *slog.Logger) { l.Info("x", "cause", (*moody)(nil)) }, `level=INFO msg=x cause="!PANIC: oh"`},
		{"secret", func(l *slog.Logger) {
			l.Info("x", "a", config.NewSecret("hush"), "b", []config.Secret{config.NewSecret("hush")}, slog.Group("g", "c", config.NewSecret("hush")))
		}, `level=INFO msg=x a=******** b=[********] g.c=********`},
		{"what could be taken for more", func(l *slog.Logger) {
			l.Info("a=b", "k", "x\ny", "q", `"`, "e", "\x1b[2J", "u", "é\u2028", "z", "\xff")
		},
			`level=INFO msg="a=b" k="x\ny" q="\"" e="\x1b[2J" u="é\u2028" z="\xff"`},
		{"with", func(l *slog.Logger) { l.With("service", "xmpp").WithGroup("g").With("a", 1).Info("x", "b", 2) }, `level=INFO msg=x service=xmpp g.a=1 g.b=2`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out bytes.Buffer
			tc.log(New(&out).Log())
			if _, got, _ := strings.Cut(strings.TrimSuffix(out.String(), "\n"), " "); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

func BenchmarkLog(b *testing.B) {
	b.ReportAllocs()
	l := New(nil).Log().With("service", "bench")
	for b.Loop() {
		l.Info("words", "count", 1, "addr", "127.0.0.1:5222")
	}
}
