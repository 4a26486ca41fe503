package log

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// Lines are those of log/slog's text handler, but for the clock.
func TestLinesAreThoseOfSlog(t *testing.T) {
	for _, row := range [][]any{
		{"plain"},
		{"two words", "key", "value"},
		{"values", "a", 1, "b", true, "c", 1.5, "d", time.Second, "e", int64(-7)},
		{"quoted", "a", "x y", "b", "", "c", "a=b", "d", "say \"hi\"", "e", "line\nfeed", "f", "\xff", "g", "é", "h", "\u200b"},
		{"errors", "cause", errors.New("it broke: badly")},
		{"odd", "lonely"},
		{"bad", 7, "a", "b"},
		{""},
	} {
		var ours, theirs strings.Builder
		l := To(&ours, LevelDebug).With("service", "test it")
		l.Warn(row[0].(string), row[1:]...)
		h := slog.NewTextHandler(&theirs, &slog.HandlerOptions{Level: slog.LevelDebug})
		slog.New(h).With("service", "test it").Warn(row[0].(string), row[1:]...)
		if a, b := behindTime(ours.String()), behindTime(theirs.String()); a != b {
			t.Errorf("%q:\nours   %s\ntheirs %s", row, a, b)
		}
	}
}

func behindTime(line string) string {
	_, rest, _ := strings.Cut(line, " ")
	return rest
}

func TestTimeIsUTCWithMilliseconds(t *testing.T) {
	var b strings.Builder
	To(&b, LevelInfo).Info("x")
	stamp, _, _ := strings.Cut(strings.TrimPrefix(b.String(), "time="), " ")
	if _, err := time.Parse("2006-01-02T15:04:05.000Z", stamp); err != nil {
		t.Error(err)
	}
}

func TestLevelsBelowTheLeastAreNotWritten(t *testing.T) {
	var b strings.Builder
	l := To(&b, LevelWarn)
	l.Debug("no")
	l.Info("no")
	l.Warn("yes")
	l.Error("yes")
	if strings.Contains(b.String(), "no") || strings.Count(b.String(), "yes") != 2 {
		t.Error(b.String())
	}
}

func TestNilLoggerWritesNothing(t *testing.T) {
	var none *Logger
	none.With("a", 1).Error("nothing happens")
}
