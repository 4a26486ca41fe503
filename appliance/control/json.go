package control

import (
	"errors"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"linnet/netsvc/command"
)

// object is a JSON object of the protocol: texts, truth values as "true" and "false", lists of texts. It is
// all that the protocol needs, and its reader is a tenth of encoding/json's size.
type object map[string][]string

func (o object) text(key string) string {
	if v := o[key]; len(v) > 0 {
		return v[0]
	}
	return ""
}

func (o object) flag(key string) bool { return o.text(key) == "true" }

// field is one member of an object that is written.
type field struct {
	key  string
	text string
	list []string // instead of text, if not nil
	flag bool     // text is a truth value
}

// appendObject writes the members as one line.
func appendObject(dst []byte, fields ...field) []byte {
	dst = append(dst, '{')
	for i, f := range fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(command.AppendJSONString(dst, f.key), ':')
		switch {
		case f.list != nil:
			dst = append(dst, '[')
			for j, text := range f.list {
				if j > 0 {
					dst = append(dst, ',')
				}
				dst = command.AppendJSONString(dst, text)
			}
			dst = append(dst, ']')
		case f.flag:
			dst = append(dst, f.text...)
		default:
			dst = command.AppendJSONString(dst, f.text)
		}
	}
	return append(dst, '}', '\n')
}

// errJSON is all that a reader of the protocol wants to know.
var errJSON = errors.New("not an object of texts, truth values and lists of texts")

// parseObject reads one object and nothing behind it but white space.
func parseObject(b []byte) (object, error) {
	r := &reader{b: b}
	o := make(object)
	if !r.take('{') {
		return nil, errJSON
	}
	for more := !r.take('}'); more; {
		key, ok := r.string()
		if !ok || !r.take(':') {
			return nil, errJSON
		}
		if _, again := o[key]; again {
			return nil, errJSON
		}
		if o[key], ok = r.value(); !ok {
			return nil, errJSON
		}
		if more = r.take(','); !more && !r.take('}') {
			return nil, errJSON
		}
	}
	if r.space(); r.at != len(b) {
		return nil, errJSON
	}
	return o, nil
}

type reader struct {
	b  []byte
	at int
}

func (r *reader) space() {
	for r.at < len(r.b) && slices.Contains([]byte(" \t\r\n"), r.b[r.at]) {
		r.at++
	}
}

// take skips white space and then c, if that is what follows.
func (r *reader) take(c byte) bool {
	r.space()
	if r.at < len(r.b) && r.b[r.at] == c {
		r.at++
		return true
	}
	return false
}

func (r *reader) word(w string) bool {
	if len(r.b)-r.at >= len(w) && string(r.b[r.at:r.at+len(w)]) == w {
		r.at += len(w)
		return true
	}
	return false
}

func (r *reader) value() ([]string, bool) {
	r.space()
	switch {
	case r.word("true"):
		return []string{"true"}, true
	case r.word("false"):
		return []string{"false"}, true
	case r.take('['):
		list := []string{}
		for more := !r.take(']'); more; {
			text, ok := r.string()
			if !ok {
				return nil, false
			}
			list = append(list, text)
			if more = r.take(','); !more && !r.take(']') {
				return nil, false
			}
		}
		return list, true
	}
	text, ok := r.string()
	return []string{text}, ok
}

func (r *reader) string() (string, bool) {
	if !r.take('"') {
		return "", false
	}
	var text []byte
	for r.at < len(r.b) {
		c := r.b[r.at]
		r.at++
		switch {
		case c == '"':
			return string(text), utf8.Valid(text)
		case c < 0x20:
			return "", false
		case c != '\\':
			text = append(text, c)
		default:
			var ok bool
			if text, ok = r.escape(text); !ok {
				return "", false
			}
		}
	}
	return "", false
}

// escape reads what follows a backslash.
func (r *reader) escape(text []byte) ([]byte, bool) {
	if r.at == len(r.b) {
		return text, false
	}
	c := r.b[r.at]
	r.at++
	switch c {
	case '"', '\\', '/':
		return append(text, c), true
	case 'b':
		return append(text, '\b'), true
	case 'f':
		return append(text, '\f'), true
	case 'n':
		return append(text, '\n'), true
	case 'r':
		return append(text, '\r'), true
	case 't':
		return append(text, '\t'), true
	case 'u':
		first, ok := r.hex()
		if !ok {
			return text, false
		}
		if utf16.IsSurrogate(first) {
			if !r.word(`\u`) {
				return text, false
			}
			second, ok := r.hex()
			if first = utf16.DecodeRune(first, second); !ok || first == utf8.RuneError {
				return text, false
			}
		}
		return utf8.AppendRune(text, first), true
	}
	return text, false
}

func (r *reader) hex() (rune, bool) {
	if len(r.b)-r.at < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(r.b[r.at:r.at+4]), 16, 16)
	r.at += 4
	return rune(n), err == nil
}
