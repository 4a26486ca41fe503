package xmlstream

import (
	"fmt"
	"strings"
	"testing"
)

// TestLimits: N passes and N+1 does not.
func TestLimits(t *testing.T) {
	many := func(format string, n int) string {
		var b strings.Builder
		for i := range n {
			if strings.Contains(format, "%d") {
				fmt.Fprintf(&b, format, i)
			} else {
				b.WriteString(format)
			}
		}
		return b.String()
	}
	const most = 12 // and the header's own two bindings
	tests := []struct {
		name   string
		limits Limits
		of     func(n int) string
	}{
		{"depth", Limits{Depth: most}, func(n int) string { return many("<a>", n) + many("</a>", n) }},
		{"depth of empty-element tags", Limits{Depth: most}, func(n int) string { return many("<a>", n-1) + "<b/>" + many("</a>", n-1) }},
		{"attributes", Limits{Attrs: most}, func(n int) string { return "<a" + many(" b%d='c'", n) + "/>" }},
		{"attributes within", Limits{Attrs: most}, func(n int) string { return "<a><b" + many(" b%d='c'", n) + "/></a>" }},
		{"attributes that are declarations", Limits{Attrs: most}, func(n int) string { return "<a" + many(" xmlns:b%d='c'", n) + "/>" }},
		{"children", Limits{Kids: most}, func(n int) string { return "<a>" + many("<b/>", n) + "</a>" }},
		{"children with content", Limits{Kids: most}, func(n int) string { return "<a>" + many("<b>x</b>", n) + "</a>" }},
		{"bindings", Limits{Bindings: most}, func(n int) string { return "<a" + many(" xmlns:b%d='c'", n-2) + "/>" }},
		{"bindings within each other", Limits{Bindings: most}, func(n int) string { return many("<a xmlns='b'>", n-2) + many("</a>", n-2) }},
		{"bytes", Limits{Bytes: 8 * most}, func(n int) string { return "<a>" + many("x", 8*most-7+n-most) + "</a>" }},
		{"bytes of an empty-element tag", Limits{Bytes: 8 * most}, func(n int) string { return "<a" + many(" ", 8*most-4+n-most) + "/>" }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, step := range []int{1, 1 << 20} {
				cut := func(have int) int { return have + step }
				var s Scanner
				if _, condition := items(&s, headerTag, atOnce); condition != "" {
					t.Fatal(condition)
				}
				s.SetLimits(test.limits)
				twice := test.of(most) + test.of(most) // a limit is for each element, not for the stream
				if found, condition := items(&s, twice, cut); condition != "" || len(found) != 2 {
					t.Errorf("%d: %s %v", most, condition, found)
				}
				if found, condition := items(&s, test.of(most+1), cut); condition != PolicyViolation || len(found) != 0 {
					t.Errorf("%d: %q %v", most+1, condition, found)
				}
			}
		})
	}
}

// TestLimitOfSiblings: declarations of elements that have ended do not count.
func TestLimitOfSiblings(t *testing.T) {
	var s Scanner
	s.Reset(Limits{Bindings: 4})
	if _, condition := items(&s, stream("<a>"+strings.Repeat("<b xmlns:c='d'><e xmlns='f'/></b>", 50)+"</a>"), atOnce); condition != "" {
		t.Error(condition)
	}
}

// TestLimitOfHeader: the header is an item, with its XML declaration.
func TestLimitOfHeader(t *testing.T) {
	in := "<?xml version='1.0'?> " + headerTag
	for _, test := range []struct {
		limit     int
		condition string
	}{{len(in), ""}, {len(in) - 1, PolicyViolation}} {
		var s Scanner
		s.Reset(Limits{Bytes: test.limit})
		if _, condition := items(&s, in, atOnce); condition != test.condition {
			t.Errorf("%d bytes, limit %d: %q", len(in), test.limit, condition)
		}
	}
}

// TestLimitOfSpace: keepalives are taken as they come, and may be longer than an element.
func TestLimitOfSpace(t *testing.T) {
	var s Scanner
	s.Reset(Limits{Bytes: len(headerTag)})
	if found, condition := items(&s, stream(strings.Repeat(" ", 1000)), atOnce); condition != "" || len(found) != 3 {
		t.Error(condition, found)
	}
}

// TestIdleScannerIsSmall: one large element does not leave its tables with an idle stream.
func TestIdleScannerIsSmall(t *testing.T) {
	s, _ := scanElement(t, headerTag, "<a b='c'/>")
	s.SetLimits(Limits{Bytes: 1 << 20, Kids: 5000, Attrs: 500})
	var b strings.Builder
	for n := range 400 {
		fmt.Fprintf(&b, " b%d='c'", n)
	}
	big := "<a" + b.String() + " xmlns:b='" + strings.Repeat("&#97;", 10_000) + "'>" + strings.Repeat("<b/>", 5000) + "</a>"
	if _, condition := items(s, big, atOnce); condition != "" {
		t.Fatal(condition)
	}
	if ev, _, err := s.Scan(nil); ev != EventMore || err != nil {
		t.Fatal(ev, err)
	}
	if kids, attrs, held := cap(s.el.kids), cap(s.attrs), cap(s.held); kids > 64 || attrs > 64 || held > 8<<10 {
		t.Errorf("room for %d children, %d attributes and %d bytes stayed", kids, attrs, held)
	}
	if found, condition := items(s, "<message><body/></message>", atOnce); condition != "" || !strings.Contains(found[0], "{jabber:client}message") {
		t.Error("the header was lost:", condition, found)
	}
}
