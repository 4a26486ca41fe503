package scenario

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Script is one parsed scenario.
type Script struct {
	Name   string // file name, for messages
	Title  string // first line of the opening comment
	Specs  []string
	Config string // the file linnet.toml of the archive: lines for the server's configuration
	steps  []step
}

// step is one line of a script with its continuations.
type step struct {
	line int
	text string // as written
	do   action
}

// action is a parsed line. Exactly one of verb, send and expect is set.
type action struct {
	who    string // client name of send and expect
	verb   string
	args   []string
	send   string
	expect *expectation
}

// expectation is the right side of NAME> ….
type expectation struct {
	want     []*Element // what to take, in order
	skip     bool       // pass over others before the first
	anyOrder bool
	nothing  bool
	quiet    time.Duration // of "nothing for"
	unlike   *Element      // of "nothing like"
	closed   bool
}

var (
	speaker   = regexp.MustCompile(`^([A-Z][A-Za-z0-9]*)([:>])\s*`)
	specNames = regexp.MustCompile(`\b(RFC \d{4}|XEP-\d{4})\b`)
)

// Parse reads a scenario. Mistakes carry file and line.
func Parse(name string, data []byte) (*Script, error) {
	a := parseArchive(data)
	s := &Script{Name: name, Config: a.files["linnet.toml"]}
	lines := strings.Split(a.comment, "\n")
	opening := true
	for i := 0; i < len(lines); i++ {
		line := strings.TrimRight(lines[i], " \r")
		switch {
		case strings.HasPrefix(line, "#"):
			if opening {
				if s.Title == "" {
					s.Title = strings.TrimSpace(line[1:])
				}
				s.Specs = append(s.Specs, specNames.FindAllString(line, -1)...)
			}
			continue
		case line == "":
			continue
		}
		opening = false
		first := i
		for i+1 < len(lines) && strings.TrimSpace(lines[i+1]) != "" && strings.TrimLeft(lines[i+1], " \t") != lines[i+1] {
			i++
			line += "\n" + strings.TrimRight(lines[i], " \r")
		}
		do, err := parseLine(line)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w\n\t%s", name, first+1, err, line)
		}
		s.steps = append(s.steps, step{line: first + 1, text: line, do: do})
	}
	return s, nil
}

func parseLine(line string) (action, error) {
	if m := speaker.FindStringSubmatch(line); m != nil {
		rest := line[len(m[0]):]
		if m[2] == ":" {
			if rest == "" {
				return action{}, fmt.Errorf("nothing to send")
			}
			return action{who: m[1], send: flatten(rest)}, nil
		}
		e, err := parseExpectation(rest)
		return action{who: m[1], expect: e}, err
	}
	words := strings.Fields(line)
	v, ok := verbs[words[0]]
	if !ok {
		return action{}, fmt.Errorf("no such verb %q", words[0])
	}
	if v.whole {
		return action{verb: words[0], args: []string{strings.TrimSpace(strings.TrimPrefix(line, words[0]))}}, nil
	}
	if n := len(words) - 1; n < v.min || v.max >= 0 && n > v.max {
		return action{}, fmt.Errorf("usage: %s %s", words[0], v.Usage)
	}
	return action{verb: words[0], args: words[1:]}, nil
}

// flatten joins the continuation lines of a stanza that is sent: white space between elements would be text.
func flatten(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
		if i > 0 && !strings.HasPrefix(lines[i], "<") && !strings.HasSuffix(lines[i-1], ">") {
			lines[i] = " " + lines[i]
		}
	}
	return strings.Join(lines, "")
}

func parseExpectation(s string) (*expectation, error) {
	e := &expectation{}
	s = strings.TrimSpace(s)
	if rest, ok := strings.CutPrefix(s, "nothing"); ok {
		return e, e.parseNothing(strings.TrimSpace(rest))
	}
	if s == "closed" {
		e.closed = true
		return e, nil
	}
	for {
		if rest, ok := strings.CutPrefix(s, "..."); ok {
			e.skip, s = true, strings.TrimSpace(rest)
		} else if rest, ok := strings.CutPrefix(s, "any order"); ok {
			e.anyOrder, s = true, strings.TrimSpace(rest)
		} else {
			break
		}
	}
	var err error
	e.want, err = parsePatterns(s)
	if err == nil && len(e.want) == 0 {
		err = fmt.Errorf("no element to expect")
	}
	return e, err
}

func (e *expectation) parseNothing(rest string) (err error) {
	e.nothing = true
	switch word, tail, _ := strings.Cut(rest, " "); word {
	case "":
	case "for":
		e.quiet, err = time.ParseDuration(strings.TrimSpace(tail))
	case "like":
		var all []*Element
		if all, err = parsePatterns(tail); err == nil && len(all) != 1 {
			err = fmt.Errorf("nothing like takes one element")
		}
		if err == nil {
			e.unlike = all[0]
		}
	default:
		err = fmt.Errorf("nothing, nothing for DURATION or nothing like XML, not %q", rest)
	}
	return err
}
