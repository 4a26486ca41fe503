package config

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
)

// Schema is everything that the services of one generation declared. Not safe for concurrent use while
// it is being filled; constant afterwards.
type Schema struct {
	sections []*Section
	families []*family
	errs     []error
}

// NewSchema returns an empty Schema.
func NewSchema() *Schema { return new(Schema) }

// Section returns the section of that name, made when it is new: "" is the top of the file, "c2s" the
// table [c2s], "xmpp.ping" the table [xmpp.ping]. Several services may declare in one section.
func (s *Schema) Section(name string) *Section {
	if found := s.Find(name); found != nil {
		return found
	}
	section := &Section{schema: s, name: name}
	if name != "" {
		for _, part := range strings.Split(name, ".") {
			if !word(part) {
				section.fail("the name of a section must be words of small letters, digits and _")
				break
			}
		}
	}
	s.sections = append(s.sections, section)
	return section
}

// Find returns the section of that name, nil if nobody asked for it.
func (s *Schema) Find(name string) *Section {
	for _, section := range s.sections {
		if section.name == name {
			return section
		}
	}
	return nil
}

// Bound returns the option of the addresses that p holds, nil if there is none: for who has a listener and wants to
// say where its addresses come from.
func (s *Schema) Bound(p *[]string) *Option {
	for _, section := range s.sections {
		for _, o := range section.options {
			if o.addrs == p && p != nil {
				return o
			}
		}
	}
	return nil
}

// Sections lists the sections that have options: the top of the file first, then by name.
func (s *Schema) Sections() []*Section {
	var list []*Section
	for _, section := range s.sections {
		if len(section.options) > 0 {
			list = append(list, section)
		}
	}
	slices.SortFunc(list, func(a, b *Section) int { return strings.Compare(a.name, b.name) })
	return list
}

// Err returns what was wrong with the declarations themselves: mistakes of a programmer, not of the
// operator. A program whose Schema has an error must not start.
func (s *Schema) Err() error { return errors.Join(s.errs...) }

// Validate runs every check that was declared and returns what they found. It is called once, after all
// values were assigned.
func (s *Schema) Validate() []*Problem {
	var found []*Problem
	for _, section := range s.sections {
		for _, check := range section.checks {
			for _, err := range apart(check()) {
				p := &Problem{Section: section.name, Text: err.Error()}
				var bad *badOption
				if errors.As(err, &bad) {
					p.Option = bad.option
					if o := section.Option(bad.option); o != nil {
						p.File, p.Line = o.File, o.Line
					}
				}
				found = append(found, p)
			}
		}
	}
	return found
}

// apart returns the errors that errors.Join made one of.
func apart(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// Changed lists the options of now whose values differ from those of before, by section. One that is new
// counts when it is not at its default.
func Changed(before, now *Schema) []*Option {
	var list []*Option
	for _, section := range now.Sections() {
		old := before.Find(section.name)
		for _, o := range section.options {
			var was *Option
			if old != nil {
				was = old.Option(o.Name)
			}
			if was == nil && o.show() != o.Default || was != nil && !o.same(was) {
				list = append(list, o)
			}
		}
	}
	return list
}

// Section declares the options of one section.
type Section struct {
	schema  *Schema
	name    string
	about   string
	options []*Option
	checks  []func() error
}

// Name returns the name as it stands in the file, "" for the top.
func (s *Section) Name() string { return s.name }

// About says in a sentence what the section is for; it heads the section in the sample.
func (s *Section) About(text string) *Section {
	s.about = text
	return s
}

// Summary returns what About said.
func (s *Section) Summary() string { return s.about }

// Options lists the options in the order of their declaration; not to be changed.
func (s *Section) Options() []*Option { return s.options }

// Option returns the option of that name, nil if there is none.
func (s *Section) Option(name string) *Option {
	for _, o := range s.options {
		if o.Name == name {
			return o
		}
	}
	return nil
}

// Check declares a test that runs when all options have their values, before anything starts: for what
// one option alone cannot tell. An error made by Bad points at the option that must change; several mistakes are
// told at once by errors.Join. The check must not act: no I/O beyond reading a file that an option names.
func (s *Section) Check(check func() error) { s.checks = append(s.checks, check) }

func (s *Section) fail(format string, args ...any) {
	s.schema.errs = append(s.schema.errs, fmt.Errorf("section [%s]: %s", s.name, fmt.Sprintf(format, args...)))
}

type badOption struct{ option, text string }

func (b *badOption) Error() string { return b.text }

// Bad returns the error of a Check for the option of that name.
func Bad(option, format string, args ...any) error {
	return &badOption{option, fmt.Sprintf(format, args...)}
}

// Problem is one thing wrong in what the operator wrote. Line counts from 1; 0 if not known.
type Problem struct {
	File    string
	Line    int
	Section string
	Option  string
	Text    string // what is wrong
	Hint    string // what to do instead, may be empty
}

// Error returns it on one line: `linnet.toml:12: [c2s] listne: no such option; did you mean "listen"?`
func (p *Problem) Error() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d", p.Line)
		}
		b.WriteString(": ")
	}
	if p.Section != "" {
		b.WriteString("[" + p.Section + "] ")
	}
	if p.Option != "" {
		b.WriteString(p.Option + ": ")
	}
	b.WriteString(p.Text)
	if p.Hint != "" {
		b.WriteString("; " + p.Hint)
	}
	return b.String()
}

// Problems is all of them, as one error, one line each.
type Problems []*Problem

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.Error()
	}
	return strings.Join(lines, "\n")
}

// Sort orders the problems by file and line, those without a line last.
func (p Problems) Sort() {
	sort.SliceStable(p, func(x, y int) bool {
		a, b := p[x], p[y]
		if a.File != b.File {
			return a.File < b.File
		}
		return a.Line != 0 && (b.Line == 0 || a.Line < b.Line)
	})
}

// word tells whether s is a name as sections and options have: small letters, digits and _, a letter first.
func word(s string) bool {
	for i, c := range []byte(s) {
		if !(c >= 'a' && c <= 'z' || i > 0 && (c >= '0' && c <= '9' || c == '_')) {
			return false
		}
	}
	return s != ""
}
