package toml

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// value reads what stands behind the = sign.
func (p *parser) value(depth int) any {
	if depth > maxDepth {
		p.fail("too deep")
		return nil
	}
	switch c := p.peek(); {
	case c == '"':
		if p.take(`"""`) {
			return p.lines(true)
		}
		return p.basic()
	case c == '\'':
		if p.take("'''") {
			return p.lines(false)
		}
		return p.literal()
	case c == '[':
		return p.array(depth)
	case c == '{': // within an array: checked, not kept
		mute := p.mute
		p.mute = true
		p.inline(&node{}, nil, depth+1)
		p.mute = mute
		return Tables{}
	}
	return p.plain()
}

func (p *parser) array(depth int) any {
	list := []any{}
	p.take("[")
	for {
		p.blank()
		if p.take("]") || p.err != nil {
			return list
		}
		list = append(list, p.value(depth+1))
		p.blank()
		if p.take("]") || p.err != nil {
			return list
		}
		if !p.take(",") {
			p.fail("in a list, values have commas between them")
			return list
		}
	}
}

// plain reads a value without quotes: a boolean, a number, a date.
func (p *parser) plain() any {
	from := p.at
	for p.at < len(p.in) && !strings.ContainsRune(" \t\r\n,]}#=", rune(p.in[p.at])) {
		p.at++
	}
	word := p.in[from:p.at]
	switch word {
	case "":
		p.fail("a value is expected")
		return nil
	case "true":
		return true
	case "false":
		return false
	case "inf", "+inf":
		return math.Inf(1)
	case "-inf":
		return math.Inf(-1)
	case "nan", "+nan", "-nan":
		return math.NaN()
	}
	// A date may have one blank before its time.
	if len(word) == 10 && p.peek() == ' ' && p.at+3 <= len(p.in) && digit(p.in[p.at+1]) {
		p.at++
		from2 := p.at
		for p.at < len(p.in) && !strings.ContainsRune(" \t\r\n,]}#=", rune(p.in[p.at])) {
			p.at++
		}
		word += "T" + p.in[from2:p.at]
	}
	if isDate(word) {
		return Date(word)
	}
	if v, ok := number(word); ok {
		return v
	}
	p.fail(strconv.Quote(word) + " is no value; texts stand in quotes")
	return nil
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

var layouts = []string{"2006-01-02T15:04:05.999999999Z07:00", "2006-01-02T15:04:05.999999999", "2006-01-02", "15:04:05.999999999"}

func isDate(s string) bool {
	if len(s) < 8 || !digit(s[0]) || !strings.ContainsAny(s, ":") && strings.Count(s, "-") != 2 {
		return false
	}
	s = strings.ToUpper(s)
	if strings.Contains(s, ",") || strings.HasSuffix(s, ".") || strings.Contains(s, ".Z") {
		return false
	}
	if i := strings.IndexByte(s, ':'); i >= 0 && (i < 2 || !digit(s[i-2])) { // time.Parse takes hours of one digit
		return false
	}
	for _, l := range layouts {
		if _, err := time.Parse(l, s); err == nil {
			return true
		}
	}
	return false
}

// number reads an integer or a float, with the underscores and bases of TOML.
func number(s string) (any, bool) {
	between := digit // what stands around an underscore
	if strings.HasPrefix(s, "0x") {
		between = alnum
	}
	for i := 0; i < len(s); i++ {
		if s[i] == '_' && (i == 0 || i == len(s)-1 || !between(s[i-1]) || !between(s[i+1])) {
			return nil, false
		}
	}
	bare := strings.ReplaceAll(s, "_", "")
	for prefix, base := range map[string]int{"0x": 16, "0o": 8, "0b": 2} {
		if strings.HasPrefix(bare, prefix) {
			if strings.HasPrefix(s, prefix+"_") || strings.ContainsAny(bare[2:], "+-") {
				return nil, false
			}
			v, err := strconv.ParseInt(bare[2:], base, 64)
			return v, err == nil
		}
	}
	digits := strings.TrimLeft(bare, "+-")
	if digits == "" || len(bare)-len(digits) > 1 || !digit(digits[0]) || len(digits) > 1 && digits[0] == '0' && digit(digits[1]) {
		return nil, false
	}
	if strings.Trim(digits, "0123456789") == "" {
		v, err := strconv.ParseInt(bare, 10, 64)
		return v, err == nil
	}
	return float(bare, digits)
}

func alnum(c byte) bool { return digit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' }

// float checks what strconv is laxer about: digits stand on both sides of a point.
func float(bare, digits string) (any, bool) {
	mantissa, exponent, has := strings.Cut(strings.ToLower(digits), "e")
	whole, fraction, point := strings.Cut(mantissa, ".")
	all := func(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
	if !all(whole) || point && !all(fraction) {
		return nil, false
	}
	if has && !all(strings.TrimPrefix(strings.TrimPrefix(exponent, "+"), "-")) || strings.HasPrefix(exponent, "+-") {
		return nil, false
	}
	v, err := strconv.ParseFloat(bare, 64)
	return v, err == nil
}

// literal reads '…'.
func (p *parser) literal() string {
	p.at++
	from := p.at
	for p.err == nil {
		switch {
		case p.at == len(p.in) || p.peek() == '\n' || p.has("\r\n"):
			p.fail("a text ends with a quote on the same line")
		case p.peek() == '\'':
			p.at++
			return p.in[from : p.at-1]
		default:
			p.char()
		}
	}
	return ""
}

// basic reads "…".
func (p *parser) basic() string {
	p.at++
	var b []byte
	for p.err == nil {
		switch {
		case p.at == len(p.in) || p.peek() == '\n' || p.has("\r\n"):
			p.fail("a text ends with a quote on the same line")
		case p.peek() == '"':
			p.at++
			return string(b)
		case p.peek() == '\\':
			b = p.escape(b)
		default:
			from := p.at
			p.char()
			b = append(b, p.in[from:p.at]...)
		}
	}
	return ""
}

// lines reads what stands between triple quotes; their opening is passed already.
func (p *parser) lines(escapes bool) string {
	quote := "'''"
	if escapes {
		quote = `"""`
	}
	p.newline() // directly behind the quotes it does not count
	var b []byte
	for p.err == nil {
		from := p.at
		switch {
		case p.at == len(p.in):
			p.fail("a text of several lines ends with " + quote)
		case p.take(quote):
			for range 2 { // up to two quotes may stand before the closing ones
				if p.take(quote[:1]) {
					b = append(b, quote[0])
				}
			}
			return string(b)
		case p.newline():
			b = append(b, p.in[from:p.at]...)
		case escapes && p.peek() == '\\':
			if !p.continued() {
				b = p.escape(b)
			}
		default:
			p.char()
			b = append(b, p.in[from:p.at]...)
		}
	}
	return ""
}

// continued passes a backslash at the end of a line with the blanks and line ends
// behind it.
func (p *parser) continued() bool {
	at, line := p.at, p.line
	p.at++
	p.space()
	if !p.newline() {
		p.at, p.line = at, line
		return false
	}
	for {
		p.space()
		if !p.newline() {
			return true
		}
	}
}

var escapes = map[byte]byte{'b': '\b', 't': '\t', 'n': '\n', 'f': '\f', 'r': '\r', '"': '"', '\\': '\\'}

func (p *parser) escape(b []byte) []byte {
	p.at++
	c := p.peek()
	if v, ok := escapes[c]; ok {
		p.at++
		return append(b, v)
	}
	size := map[byte]int{'u': 4, 'U': 8}[c]
	if size == 0 || p.at+1+size > len(p.in) {
		p.fail("unknown escape in a text; a backslash is written \\\\, or the text in single quotes")
		return b
	}
	v, err := strconv.ParseUint(p.in[p.at+1:p.at+1+size], 16, 32)
	if err != nil || v > utf8.MaxRune || v >= 0xd800 && v < 0xe000 {
		p.fail("an escape in a text is no character")
		return b
	}
	p.at += 1 + size
	return utf8.AppendRune(b, rune(v))
}

// decode is utf8.DecodeRuneInString with -1 for what is not UTF-8.
func decode(s string) (rune, int) {
	r, size := utf8.DecodeRuneInString(s)
	if r == utf8.RuneError && size <= 1 {
		return -1, size
	}
	return r, size
}
