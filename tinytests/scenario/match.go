package scenario

import (
	"encoding/xml"
	"fmt"
	"maps"
	"regexp"
	"strings"
)

// bindings are the {names} a scenario has bound so far.
type bindings map[string]string

// match compares got with the pattern want. It returns "" and what the bindings are then, or where and why they
// differ; the bindings it was given stay as they are.
func match(want, got *Element, bound bindings) (bindings, string) {
	return matchAt("<"+want.Name.Local+">", want, got, bound)
}

func matchAt(path string, want, got *Element, bound bindings) (bindings, string) {
	if want.Name != got.Name {
		if want.Name.Local == got.Name.Local {
			return bound, fmt.Sprintf("%s: namespace %q, expected %q", path, got.Name.Space, want.Name.Space)
		}
		return bound, fmt.Sprintf("got <%s>, expected <%s>", got.Name.Local, want.Name.Local)
	}
	now := maps.Clone(bound)
	if now == nil {
		now = bindings{}
	}
	if why := matchAttrs(want, got, now); why != "" {
		return bound, path + ": " + why
	}
	if why := matchText(want, got, now); why != "" {
		return bound, path + ": " + why
	}
	next, why := matchKids(path, want, got, now)
	if why != "" {
		return bound, why
	}
	return next, ""
}

func matchAttrs(want, got *Element, now bindings) string {
	for _, w := range want.Attrs {
		value, ok := lookup(got, w.Name)
		if !ok {
			return fmt.Sprintf("attribute %s is missing, expected '%s'", w.Name.Local, w.Value)
		}
		if !matchValue(w.Value, value, now) {
			return fmt.Sprintf("attribute %s is '%s', expected '%s'", w.Name.Local, value, describe(w.Value, now))
		}
	}
	if want.Open || want.is(nsStream, "stream") {
		return ""
	}
	for _, g := range got.Attrs {
		if _, ok := lookup(want, g.Name); !ok && !freeAttr(got, g.Name) {
			return fmt.Sprintf("attribute %s='%s' was not expected", g.Name.Local, g.Value)
		}
	}
	return ""
}

func lookup(e *Element, name xml.Name) (string, bool) {
	for _, a := range e.Attrs {
		if a.Name == name {
			return a.Value, true
		}
	}
	return "", false
}

// freeAttr names the attributes that a pattern need not mention.
func freeAttr(e *Element, name xml.Name) bool {
	if name.Space == nsXML && name.Local == "lang" {
		return true
	}
	switch name.Local {
	case "id", "from", "to":
		return e.stanza()
	case "by", "code":
		return e.is(nsClient, "error")
	}
	return false
}

func matchText(want, got *Element, now bindings) string {
	text, expected := got.Text, want.Text
	if len(got.Kids) > 0 || len(want.Kids) > 0 {
		text = strings.TrimSpace(text)
		expected = strings.TrimSpace(expected)
	}
	if want.Open && expected == "" || matchValue(expected, text, now) {
		return ""
	}
	// A pattern may be laid out over lines; the text it stands for may not differ otherwise.
	if strings.TrimSpace(expected) == "" && strings.TrimSpace(text) == "" {
		return ""
	}
	return fmt.Sprintf("text is %q, expected %q", text, describe(expected, now))
}

// matchKids pairs each child of the pattern with one of the element, in whatever order they stand: servers list
// rosters and features as they like. A pairing may fail later by what it bound, so the next candidate is tried
// before it gives up.
func matchKids(path string, want, got *Element, now bindings) (bindings, string) {
	used := make([]bool, len(got.Kids))
	firstFault := ""
	var pair func(i int, now bindings) (bindings, bool)
	pair = func(i int, now bindings) (bindings, bool) {
		if i == len(want.Kids) {
			if why := leftover(path, want, got, used); why != "" {
				if firstFault == "" {
					firstFault = why
				}
				return now, false
			}
			return now, true
		}
		kid := want.Kids[i]
		closest, same := "", 0
		for j, k := range got.Kids {
			if used[j] || k.Name != kid.Name {
				continue
			}
			same++
			next, why := matchAt(path+"<"+kid.Name.Local+">", kid, k, now)
			if why != "" {
				if closest == "" {
					closest = why
				}
				continue
			}
			used[j] = true
			if done, ok := pair(i+1, next); ok {
				return done, true
			}
			used[j] = false
		}
		if firstFault == "" {
			firstFault = closest
			if same == 0 {
				firstFault = fmt.Sprintf("%s: child <%s xmlns='%s'> is missing", path, kid.Name.Local, kid.Name.Space)
			}
		}
		return now, false
	}
	done, ok := pair(0, now)
	if ok {
		return done, ""
	}
	if firstFault == "" {
		firstFault = path + ": children differ"
	}
	return now, firstFault
}

func leftover(path string, want, got *Element, used []bool) string {
	if want.Open || want.is(nsStream, "stream") {
		return ""
	}
	for j, k := range got.Kids {
		if !used[j] && !freeKid(got, k) {
			return fmt.Sprintf("%s: child <%s xmlns='%s'> was not expected", path, k.Name.Local, k.Name.Space)
		}
	}
	return ""
}

// freeKid names the children that a pattern need not mention: what servers add on the way.
func freeKid(parent, kid *Element) bool {
	switch {
	case kid.Name.Local == "text":
		return kid.Name.Space == nsStanzas || kid.Name.Space == nsStreams || kid.Name.Space == nsSASL
	case kid.is("urn:xmpp:sid:0", "stanza-id"):
		return parent.is(nsClient, "message")
	case kid.is("urn:xmpp:delay", "delay"), kid.is("vcard-temp:x:update", "x"):
		return parent.is(nsClient, "presence")
	case parent.stanza() && parent.Attr("type") == "error":
		return kid.Name.Local != "error"
	}
	return false
}

var variable = regexp.MustCompile(`\\[*{}]|\*|\{[a-zA-Z][a-zA-Z0-9]*\}`)

// matchValue compares one attribute value or text and, when it matches, adds what it bound.
func matchValue(pattern, value string, now bindings) bool {
	if !strings.ContainsAny(pattern, `*{\`) {
		return pattern == value
	}
	var expr strings.Builder
	expr.WriteString(`(?s)^`)
	var names []string
	at := 0
	for _, m := range variable.FindAllStringIndex(pattern, -1) {
		expr.WriteString(regexp.QuoteMeta(pattern[at:m[0]]))
		switch piece := pattern[m[0]:m[1]]; {
		case piece == "*":
			expr.WriteString(`.*`)
		case piece[0] == '\\':
			expr.WriteString(regexp.QuoteMeta(piece[1:]))
		default:
			name := piece[1 : len(piece)-1]
			if v, ok := now[name]; ok {
				expr.WriteString(regexp.QuoteMeta(v))
			} else {
				names = append(names, name)
				expr.WriteString(`(.+?)`)
			}
		}
		at = m[1]
	}
	expr.WriteString(regexp.QuoteMeta(pattern[at:]) + `$`)
	found := regexp.MustCompile(expr.String()).FindStringSubmatch(value)
	if found == nil {
		return false
	}
	for i, name := range names {
		if v, ok := now[name]; ok && v != found[i+1] {
			return false // the same new name twice, with two values
		}
		now[name] = found[i+1]
	}
	return true
}

// describe shows a pattern with the values of the names that are bound.
func describe(pattern string, now bindings) string {
	return variable.ReplaceAllStringFunc(pattern, func(piece string) string {
		if piece[0] != '{' {
			return piece
		}
		if v, ok := now[piece[1:len(piece)-1]]; ok {
			return v
		}
		return piece
	})
}
