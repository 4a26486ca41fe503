// Package log writes lines for people and for grep: when, how grave, what happened
// in a few words, and attributes.
//
//	time=2026-11-22T17:40:01.123Z level=WARN msg="certificate expires" domain=example.org left=72h0m0s
//
// It owns the form of a line. Where lines go, which are kept and from which level
// on is their Sink's; which keys there are is a rule of the house (appliance/journal).
//
// The methods and the form are those of log/slog, so that nobody has to learn
// another logger. It is not log/slog itself because that brings its JSON handler
// and encoding/json into every program that imports it: 65 KB of flash on a MIPS
// board, a thirtieth of ours.
package log

import (
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// Level is how grave a line is.
type Level int8

// The levels.
const (
	LevelDebug Level = iota - 1
	LevelInfo
	LevelWarn
	LevelError
)

// String names the level as it stands in a line.
func (l Level) String() string {
	switch l {
	case LevelDebug:
		return "DEBUG"
	case LevelInfo:
		return "INFO"
	case LevelWarn:
		return "WARN"
	}
	return "ERROR"
}

// Sink takes lines. Its methods are called by many goroutines at a time.
type Sink interface {
	// Enabled reports whether lines of the level are wanted.
	Enabled(Level) bool
	// Line takes one line without its end; it must not keep b.
	Line(level Level, b []byte)
}

// Logger writes to a Sink. A nil Logger writes nothing. It is safe for concurrent
// use.
type Logger struct {
	sink  Sink
	attrs []byte // those of With, each with a space before it
}

// New returns a Logger for the sink.
func New(s Sink) *Logger { return &Logger{sink: s} }

// To returns a Logger that writes lines from the level on to w, one Write each.
func To(w io.Writer, least Level) *Logger { return New(&writer{w: w, least: least}) }

// With returns a Logger whose lines all have the attributes: keys and values in
// turn.
func (l *Logger) With(args ...any) *Logger {
	if l == nil {
		return nil
	}
	return &Logger{l.sink, appendAttrs(append([]byte(nil), l.attrs...), args)}
}

// Debug is for who looks for a mistake; addresses of people may stand here only.
func (l *Logger) Debug(event string, args ...any) { l.Log(LevelDebug, event, args...) }

// Info is for what an operator likes to know.
func (l *Logger) Info(event string, args ...any) { l.Log(LevelInfo, event, args...) }

// Warn is for what an operator should look at some day.
func (l *Logger) Warn(event string, args ...any) { l.Log(LevelWarn, event, args...) }

// Error is for what an operator should look at now.
func (l *Logger) Error(event string, args ...any) { l.Log(LevelError, event, args...) }

// Log writes one line: the event, then keys and values in turn.
func (l *Logger) Log(level Level, event string, args ...any) {
	if l == nil || !l.sink.Enabled(level) {
		return
	}
	b := make([]byte, 0, 256)
	b = append(b, "time="...)
	b = time.Now().UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z07:00")
	b = append(b, " level="...)
	b = append(b, level.String()...)
	b = append(b, " msg="...)
	b = appendText(b, event)
	b = append(b, l.attrs...)
	l.sink.Line(level, appendAttrs(b, args))
}

func appendAttrs(b []byte, args []any) []byte {
	for i := 0; i < len(args); i += 2 {
		key, ok := args[i].(string)
		if !ok || i+1 == len(args) {
			b = append(b, " !BADKEY="...)
			b = appendValue(b, args[i])
			i-- // what follows may be a pair again
			continue
		}
		b = append(b, ' ')
		b = append(b, key...)
		b = append(b, '=')
		b = appendValue(b, args[i+1])
	}
	return b
}

func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case string:
		return appendText(b, v)
	case error:
		return appendText(b, v.Error())
	case int:
		return strconv.AppendInt(b, int64(v), 10)
	case bool:
		return strconv.AppendBool(b, v)
	case time.Time:
		return v.UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z07:00")
	}
	return appendText(b, fmt.Sprintf("%+v", v)) // %v of a secret shows stars
}

// appendText quotes what would not be one word.
func appendText(b []byte, s string) []byte {
	if s == "" {
		return append(b, `""`...)
	}
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r <= ' ' || r == '"' || r == '=' || r == utf8.RuneError || !unicode.IsPrint(r) {
			return strconv.AppendQuote(b, s)
		}
		i += size
	}
	return append(b, s...)
}

type writer struct {
	mu    sync.Mutex
	w     io.Writer
	least Level
}

func (w *writer) Enabled(l Level) bool { return l >= w.least }

func (w *writer) Line(_ Level, b []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.w.Write(append(b, '\n')) // a log that cannot be written must not stop anything
}
