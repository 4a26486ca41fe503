package firstboot

import (
	"strings"
	"testing"
)

func TestHostDomain(t *testing.T) {
	for _, tc := range []struct{ host, want string }{
		{"Router", "router.local"},
		{"box.example.org", "box.local"},
		{"", "localhost"},
		{"localhost", "localhost"},
		{"localhost.localdomain", "localhost"},
		{"bad name", "localhost"},
		{strings.Repeat("x", 64), "localhost"},
		{strings.Repeat("x", 63), strings.Repeat("x", 63) + ".local"},
	} {
		if got := hostDomain(tc.host); got != tc.want {
			t.Errorf("hostDomain(%q) = %q, want %q", tc.host, got, tc.want)
		}
	}
}

func TestWelcome(t *testing.T) {
	w := Welcome{Version: "1", Domains: []string{"a", "b"}, Data: "/d", Ctl: "linnet ctl"}
	if got, want := w.String(), "linnet 1 serves a, b\n  data         /d\n  control      linnet ctl help\n"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	w.Addresses = []Address{{"c2s", "[::]:5222", "starttls"}}
	w.Admin, w.Password, w.Warnings = "admin@a", "hush", []string{"look out"}
	want := `linnet 1 serves a, b
  c2s          [::]:5222 (starttls)
  data         /d
  first admin  admin@a
  password     hush   (shown this once; valid until you change it)
  control      linnet ctl help
  note         look out
`
	if got := w.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
