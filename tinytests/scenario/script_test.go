package scenario

import (
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	const text = `# A first line.
# RFC 6121 section 8, XEP-0280 1.0.1.

accounts romeo juliet
connect romeo/orchard as R using PLAIN

# a comment inside
R: <message to='juliet@localhost'>
     <body>one
     two</body>
   </message>
J> ... <message/>
   <presence/>
J> any order <iq/> <iq/>
J> nothing for 30s
J> nothing like <message/>
R> closed
-- linnet.toml --
[offline]
-- other --
x
`
	s, err := Parse("t.txtar", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if s.Title != "A first line." || strings.Join(s.Specs, ",") != "RFC 6121,XEP-0280" || s.Config != "[offline]\n" {
		t.Errorf("title %q, specs %q, config %q", s.Title, s.Specs, s.Config)
	}
	if len(s.steps) != 8 {
		t.Fatalf("%d steps, want 8", len(s.steps))
	}
	if got := s.steps[2]; got.line != 8 || got.do.send != "<message to='juliet@localhost'><body>one two</body></message>" {
		t.Errorf("line %d sends %q", got.line, got.do.send)
	}
	if e := s.steps[3].do.expect; !e.skip || len(e.want) != 2 {
		t.Errorf("skip %v, %d elements", e.skip, len(e.want))
	}
	if e := s.steps[4].do.expect; !e.anyOrder || len(e.want) != 2 {
		t.Errorf("any order %v, %d elements", e.anyOrder, len(e.want))
	}
	if e := s.steps[5].do.expect; !e.nothing || e.quiet != 30*time.Second {
		t.Errorf("nothing %v for %v", e.nothing, e.quiet)
	}
	if e := s.steps[6].do.expect; e.unlike == nil {
		t.Error("nothing like has no pattern")
	}
	if !s.steps[7].do.expect.closed {
		t.Error("closed was not read")
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tc := range []struct{ name, text, fault string }{
		{name: "verb", text: "# x\n\njump R\n", fault: `t:3: no such verb "jump"`},
		{name: "too few words", text: "connect romeo\n", fault: "usage: connect"},
		{name: "broken pattern", text: "R> <message>\n", fault: "pattern"},
		{name: "text outside", text: "R> <message/> hello\n", fault: "outside an element"},
		{name: "no pattern", text: "R> ...\n", fault: "no element"},
		{name: "nothing to send", text: "R:\n", fault: "nothing to send"},
		{name: "nothing else", text: "R> nothing at all\n", fault: "nothing for DURATION"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := Parse("t", []byte(tc.text)); err == nil || !strings.Contains(err.Error(), tc.fault) {
				t.Errorf("error %v, want one with %q", err, tc.fault)
			}
		})
	}
}

func TestFill(t *testing.T) {
	r := &run{server: &Live{Host: "example.org"}, bound: bindings{"id": "a1"}}
	got, err := r.fill(`<iq id='{id}' to='localhost'>{fill 3}\{x\}</iq>`)
	if want := `<iq id='a1' to='example.org'>xxx{x}</iq>`; err != nil || got != want {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
	if _, err := r.fill(`{unknown}`); err == nil {
		t.Error("a name that is not bound was sent")
	}
}
