package xmlstream

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
)

// sameTokens reads in, which a Scanner has accepted, with our tree and with encoding/xml, and
// says where they differ.
func sameTokens(in string) error {
	ours, err := ourTokens(in)
	if err != nil {
		return err
	}
	theirs, err := theirTokens(in)
	if err != nil {
		return fmt.Errorf("encoding/xml refuses %q: %w", in, err)
	}
	if !slices.Equal(ours, theirs) {
		return fmt.Errorf("%q\nis        %q\nand there %q", in, ours, theirs)
	}
	return nil
}

// ourTokens gives elements, attributes and character data of all first-level elements.
func ourTokens(in string) (tokens []string, err error) {
	var s Scanner
	for len(in) > 0 {
		ev, n, err := s.Scan([]byte(in))
		switch {
		case err != nil:
			return nil, err
		case ev == EventMore:
			return tokens, nil
		case ev == EventElement:
			tokens = appendTokens(tokens, s.Element().Node())
		}
		in = in[n:]
	}
	return tokens, nil
}

func appendTokens(dst []string, n *Node) []string {
	dst = append(dst, elementToken(n.Name.Space, n.Name.Local))
	for _, a := range n.Attrs {
		dst = append(dst, fmt.Sprintf("{%s}%s=%q", spaced(a.Space), a.Local, spaced(a.Value)))
	}
	for _, kid := range n.Kids {
		dst = appendTokens(dst, kid)
	}
	return append(dst, fmt.Sprintf("%q</%s>", n.Text, n.Name.Local))
}

// elementToken leaves out the namespace of an element that is called xmlns: encoding/xml never
// resolves that name.
func elementToken(space, local string) string {
	if local == "xmlns" {
		space = ""
	}
	return fmt.Sprintf("<{%s}%s>", spaced(space), local)
}

// spaced makes spaces of white space in an attribute, as XML 1.0, 3.3.3 wants. It does so to ours
// too, for encoding/xml leaves white space and does not tell it from references to it.
var spaced = strings.NewReplacer("\n", " ", "\t", " ", "\r", " ").Replace

// theirTokens is ourTokens by encoding/xml.
func theirTokens(in string) (tokens []string, err error) {
	d := xml.NewDecoder(strings.NewReader(in))
	var texts []string
	for {
		t, err := d.Token()
		if err == io.EOF {
			return tokens, nil
		}
		if e, ok := err.(*xml.SyntaxError); ok && e.Msg == "unexpected EOF" {
			return tokens, nil
		}
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			texts = append(texts, "")
			if len(texts) == 1 {
				continue // the stream header
			}
			tokens = append(tokens, elementToken(t.Name.Space, t.Name.Local))
			for _, a := range t.Attr {
				if a.Name.Space == "xmlns" || a.Name == (xml.Name{Local: "xmlns"}) {
					continue
				}
				tokens = append(tokens, fmt.Sprintf("{%s}%s=%q", spaced(a.Name.Space), a.Name.Local, spaced(a.Value)))
			}
		case xml.EndElement:
			if len(texts) > 1 {
				tokens = append(tokens, fmt.Sprintf("%q</%s>", texts[len(texts)-1], t.Name.Local))
			}
			texts = texts[:len(texts)-1]
		case xml.CharData:
			if len(texts) > 0 {
				texts[len(texts)-1] += string(t)
			}
		}
	}
}
