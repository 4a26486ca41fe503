package toml

import (
	"strconv"
	"strings"
)

// Entry is one table header or one value, in the order of the text. What stands in
// an inline table is an entry of its own, behind that of the table.
type Entry struct {
	Path  []string // "xmpp", "ping", "interval"
	Line  int      // counts from 1
	Table bool     // a header such as [xmpp.ping], or an inline table
	Value any      // string, bool, int64, float64, Date, []any, or Tables
}

// Date is a date, a time of day or both, as it is written.
type Date string

// Tables stands for an array of tables.
type Tables struct{}

// Error says what is wrong with a text. It is fit for the eyes of an operator.
type Error struct {
	Line int
	Text string
}

func (e *Error) Error() string { return "line " + strconv.Itoa(e.Line) + ": " + e.Text }

// maxDepth bounds how deep arrays and inline tables nest.
const maxDepth = 32

// Parse takes a text apart. The first mistake ends it; the error is an *Error. A byte
// order mark in front is passed over: some editors write one, and nobody sees it.
func Parse(text string) ([]Entry, error) {
	text = strings.TrimPrefix(text, "\ufeff")
	p := &parser{in: text, line: 1, root: &node{kind: header}}
	p.table = p.root
	for {
		p.blank()
		if p.err != nil || p.at == len(p.in) {
			break
		}
		if p.peek() == '[' {
			p.header()
		} else {
			p.assign(p.table, p.path, 0)
		}
		p.endOfLine()
	}
	if p.err != nil {
		return nil, p.err
	}
	return p.out, nil
}

type parser struct {
	in    string
	at    int
	line  int
	root  *node
	table *node    // that of the last header
	path  []string // and its path
	mute  bool     // within an array of tables: checked, not kept
	out   []Entry
	err   *Error
}

// node is a name that is taken.
type node struct {
	kind kind
	kids map[string]*node
}

type kind uint8

const (
	leaf     kind = iota // a value; an inline table takes nothing more either
	implied              // a table that a header has made on its way
	header               // a table with a header
	dotted               // a table that dotted keys have made
	repeated             // an array of tables; its kids are those of the last one
)

func (n *node) kid(name string) *node { return n.kids[name] }

func (n *node) add(name string, k kind) *node {
	if n.kids == nil {
		n.kids = map[string]*node{}
	}
	kid := &node{kind: k}
	n.kids[name] = kid
	return kid
}

func (p *parser) fail(text string) {
	if p.err == nil {
		p.err = &Error{p.line, text}
		p.at = len(p.in)
	}
}

// peek is the next byte, 0 at the end. (A zero byte in the text is refused as any
// other control character.)
func (p *parser) peek() byte {
	if p.at < len(p.in) {
		return p.in[p.at]
	}
	return 0
}

func (p *parser) has(prefix string) bool { return strings.HasPrefix(p.in[p.at:], prefix) }

func (p *parser) take(prefix string) bool {
	if p.has(prefix) {
		p.at += len(prefix)
		return true
	}
	return false
}

// space skips blanks within a line.
func (p *parser) space() {
	for p.peek() == ' ' || p.peek() == '\t' {
		p.at++
	}
}

func (p *parser) newline() bool {
	if p.take("\n") || p.take("\r\n") {
		p.line++
		return true
	}
	return false
}

// blank skips blanks, comments and line ends.
func (p *parser) blank() {
	for {
		p.space()
		p.comment()
		if !p.newline() {
			return
		}
	}
}

func (p *parser) comment() {
	if p.peek() != '#' {
		return
	}
	for p.at < len(p.in) && p.peek() != '\n' && !p.has("\r\n") {
		p.char()
	}
}

// char passes one character of a comment or a string.
func (p *parser) char() {
	c := p.in[p.at]
	if c < 0x20 && c != '\t' || c == 0x7f {
		p.fail("a control character stands where text is expected")
		return
	}
	if c < 0x80 {
		p.at++
		return
	}
	r, size := decode(p.in[p.at:])
	if r < 0 {
		p.fail("the text is not UTF-8")
		return
	}
	p.at += size
}

func (p *parser) endOfLine() {
	p.space()
	p.comment()
	if p.err == nil && p.at < len(p.in) && !p.newline() {
		p.fail("nothing more is expected on this line")
	}
}

// header reads [a.b] or [[a.b]].
func (p *parser) header() {
	line := p.line
	many := p.take("[[")
	if !many {
		p.take("[")
	}
	path := p.key()
	if p.err != nil {
		return
	}
	if many && !p.take("]]") || !many && !p.take("]") {
		p.fail("a table header ends with ]")
		return
	}
	n := p.root
	mute := false
	for _, name := range path[:len(path)-1] {
		next := n.kid(name)
		switch {
		case next == nil:
			next = n.add(name, implied)
		case next.kind == leaf:
			p.fail(name + " is a value, not a table")
			return
		case next.kind == repeated:
			mute = true
		}
		n = next
	}
	last := path[len(path)-1]
	kid := n.kid(last)
	switch {
	case many && kid == nil:
		kid = n.add(last, repeated)
		p.emit(mute, Entry{Path: path, Line: line, Value: Tables{}})
		mute = true
	case many && kid.kind == repeated:
		kid.kids = nil
		mute = true
	case many || kid != nil && kid.kind != implied:
		p.fail("[" + strings.Join(path, ".") + "] is there already")
		return
	case kid == nil:
		kid = n.add(last, header)
		p.emit(mute, Entry{Path: path, Line: line, Table: true})
	default:
		kid.kind = header
		p.emit(mute, Entry{Path: path, Line: line, Table: true})
	}
	p.table, p.path, p.mute = kid, path, mute
}

func (p *parser) emit(mute bool, e Entry) {
	if !mute {
		p.out = append(p.out, e)
	}
}

// assign reads a.b = value into a table.
func (p *parser) assign(t *node, path []string, depth int) {
	line := p.line
	key := p.key()
	if p.err != nil {
		return
	}
	if !p.take("=") {
		p.fail("after a name, = is expected")
		return
	}
	p.space()
	for _, name := range key[:len(key)-1] {
		next := t.kid(name)
		switch {
		case next == nil:
			next = t.add(name, dotted)
		case next.kind != dotted:
			p.fail(name + " is there already")
			return
		}
		t = next
	}
	last := key[len(key)-1]
	if t.kid(last) != nil {
		p.fail(last + " is there already")
		return
	}
	n := t.add(last, leaf)
	full := append(append(make([]string, 0, len(path)+len(key)), path...), key...)
	if p.peek() == '{' {
		p.emit(p.mute, Entry{Path: full, Line: line, Table: true})
		p.inline(n, full, depth+1)
		n.kind = leaf // nothing can be added to it
		return
	}
	v := p.value(depth + 1)
	p.emit(p.mute, Entry{Path: full, Line: line, Value: v})
}

// inline reads { a = 1, b = 2 }.
func (p *parser) inline(n *node, path []string, depth int) {
	if depth > maxDepth {
		p.fail("too deep")
		return
	}
	p.take("{")
	p.space()
	if p.take("}") {
		return
	}
	for p.err == nil {
		p.assign(n, path, depth)
		p.space()
		if p.take("}") {
			return
		}
		if !p.take(",") {
			p.fail("in a table, values stand on one line with commas between them")
			return
		}
		p.space()
	}
}

// key reads a name, or several with dots between them.
func (p *parser) key() (path []string) {
	for {
		p.space()
		path = append(path, p.name())
		p.space()
		if p.err != nil || !p.take(".") {
			return path
		}
	}
}

func (p *parser) name() string {
	switch p.peek() {
	case '"':
		if p.has(`"""`) {
			p.fail("a name cannot have several lines")
			return ""
		}
		return p.basic()
	case '\'':
		if p.has("'''") {
			p.fail("a name cannot have several lines")
			return ""
		}
		return p.literal()
	}
	from := p.at
	for c := p.peek(); c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'; c = p.peek() {
		p.at++
	}
	if from == p.at {
		p.fail("a name is expected")
	}
	return p.in[from:p.at]
}
