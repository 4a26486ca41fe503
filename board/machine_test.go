package board

import (
	"net"
	"slices"
	"testing"
)

// The addresses that one question to the kernel yields are those that package net finds one by one.
func TestAddressesOfThisMachine(t *testing.T) {
	got, err := machine{}.Addresses4()
	if err != nil {
		t.Skip("the kernel does not answer here: ", err)
	}
	all, err := net.Interfaces()
	if err != nil {
		t.Skip(err)
	}
	var want, seen []string
	for _, i := range all {
		list, _ := i.Addrs()
		for _, a := range list {
			if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil {
				want = append(want, i.Name+" "+n.String())
			}
		}
	}
	for _, a := range got {
		i, err := net.InterfaceByIndex(a.Index)
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, i.Name+" "+a.Prefix.String())
	}
	slices.Sort(want)
	slices.Sort(seen)
	if !slices.Equal(seen, want) {
		t.Errorf("%q, want %q", seen, want)
	}
	if len(want) == 0 {
		t.Skip("no IPv4 address here")
	}
	for n := range 64 { // half a message is none
		if _, err := parseAddresses(make([]byte, n)); err == nil && n > 16 {
			t.Errorf("%d zero bytes are addresses", n)
		}
	}
}

func TestThousandths(t *testing.T) {
	for text, want := range map[string]int64{"0.08": 80, "12.345": 12345, "7": 7000, "1.2345": 1234, "x": 0, "": 0, "4.5": 4500, "43200000.12": 43200000120} {
		if got := thousandths(text); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

func TestUnescape(t *testing.T) {
	for text, want := range map[string]string{`/a\040b`: "/a b", `/a`: "/a", `a\`: `a\`, `\04`: `\04`, `\011\134`: "\t\\"} {
		if got := unescape(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
