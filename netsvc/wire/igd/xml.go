package igd

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ErrXML says that a document cannot be read.
var ErrXML = errors.New("igd: not XML as routers send it")

// leaf is called for every element as it ends: with the names of those it stands in, its own last, and its text if
// no element stands in it.
type leaf func(path []string, text string) error

// walk reads a document.
func walk(b []byte, visit leaf) error {
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	var path []string
	var text []byte
	inner := true // no element has ended since the last began: there is a text
	rooted := false
	for {
		at := bytes.IndexByte(b, '<')
		if at < 0 {
			if len(path) > 0 || !rooted {
				return ErrMore
			}
			return nil
		}
		if len(path) > 0 {
			text = appendText(text, b[:at])
		}
		b = b[at:]
		switch {
		case bytes.HasPrefix(b, []byte("<!--")):
			_, rest, ok := bytes.Cut(b[4:], []byte("-->"))
			if !ok {
				return ErrMore
			}
			b = rest
		case bytes.HasPrefix(b, []byte("<?")):
			_, rest, ok := bytes.Cut(b, []byte("?>"))
			if !ok {
				return ErrMore
			}
			b = rest
		case bytes.HasPrefix(b, []byte("<![CDATA[")):
			data, rest, ok := bytes.Cut(b[9:], []byte("]]>"))
			if !ok {
				return ErrMore
			}
			text = append(text, data[:min(len(data), maxText+1)]...)
			b = rest
		case bytes.HasPrefix(b, []byte("<!")):
			return ErrXML // a document type, which could define entities
		case bytes.HasPrefix(b, []byte("</")):
			name, rest, ok := bytes.Cut(b[2:], []byte(">"))
			if !ok {
				return ErrMore
			}
			if len(path) == 0 || local(strings.TrimRight(string(name), " \t\r\n")) != path[len(path)-1] {
				return ErrXML
			}
			if err := end(path, text, inner, visit); err != nil {
				return err
			}
			path, text, inner, b = path[:len(path)-1], text[:0], false, rest
		default:
			name, empty, rest, err := tag(b)
			if err != nil {
				return err
			}
			if len(path) == maxDepth || len(path) == 0 && rooted {
				return ErrXML
			}
			path, text, inner, rooted, b = append(path, name), text[:0], true, true, rest
			if empty {
				if err := end(path, nil, true, visit); err != nil {
					return err
				}
				path, inner = path[:len(path)-1], false
			}
		}
	}
}

func end(path []string, text []byte, inner bool, visit leaf) error {
	if !inner {
		text = nil
	}
	if len(text) > maxText {
		text = nil // a presentation of the maker; nothing that is needed is that long
	}
	return visit(path, strings.TrimSpace(string(text)))
}

// tag reads the start tag that b begins with.
func tag(b []byte) (name string, empty bool, rest []byte, err error) {
	quote := byte(0)
	for i, c := range b {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '<' && i > 0:
			return "", false, nil, ErrXML
		case c == '>':
			inside := b[1:i]
			if empty = len(inside) > 0 && inside[len(inside)-1] == '/'; empty {
				inside = inside[:len(inside)-1]
			}
			if space := bytes.IndexAny(inside, " \t\r\n"); space >= 0 {
				inside = inside[:space]
			}
			name = local(string(inside))
			if name == "" || len(name) > 100 {
				return "", false, nil, ErrXML
			}
			return name, empty, b[i+1:], nil
		}
	}
	return "", false, nil, ErrMore
}

// local takes the prefix off a name.
func local(name string) string {
	if i := strings.IndexByte(name, ':'); i >= 0 {
		return name[i+1:]
	}
	return name
}

// appendText appends character data with its entities replaced. What is none is kept as it stands: routers write
// a bare "&" into names. Text beyond what is used is dropped.
func appendText(dst, b []byte) []byte {
	for len(b) > 0 && len(dst) <= maxText {
		at := bytes.IndexByte(b, '&')
		if at < 0 {
			at = len(b)
		}
		dst = append(dst, b[:min(at, maxText+1)]...)
		b = b[at:]
		if len(b) == 0 {
			break
		}
		stop := bytes.IndexByte(b[:min(len(b), 12)], ';')
		if c, ok := entity(b[1:max(stop, 1)]); ok {
			dst, b = utf8.AppendRune(dst, c), b[stop+1:]
			continue
		}
		dst, b = append(dst, '&'), b[1:]
	}
	return dst
}

func entity(name []byte) (rune, bool) {
	switch string(name) {
	case "amp":
		return '&', true
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "quot":
		return '"', true
	case "apos":
		return '\'', true
	}
	if len(name) < 2 || name[0] != '#' {
		return 0, false
	}
	digits, base := string(name[1:]), 10
	if digits[0] == 'x' || digits[0] == 'X' {
		digits, base = digits[1:], 16
	}
	n, err := strconv.ParseUint(digits, base, 21)
	return rune(n), err == nil && n > 0
}
