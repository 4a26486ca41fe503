package appliance

import (
	"net"
	"strings"
	"testing"

	"linnet/netsvc/module"
)

// Two addresses that are said to meet before the start are those of which the kernel would give one socket alone.
func TestMeets(t *testing.T) {
	for _, tc := range []struct {
		a, b string // P is a port
		want bool
	}{
		{"[::]:P", "[::]:P", true},
		{"[::]:P", "0.0.0.0:P", true},
		{"[::]:P", "127.0.0.1:P", true},
		{"[::]:P", "[::1]:P", true},
		{"[::]:P", "[::ffff:0.0.0.0]:P", true},
		{"[::]:P", "localhost:P", true},
		{"0.0.0.0:P", "127.0.0.1:P", true},
		{"0.0.0.0:P", "[::1]:P", true},
		{"127.0.0.1:P", "[::ffff:127.0.0.1]:P", true},
		{"127.0.0.1:P", "127.0.0.1:0P", true},
		{"[::1]:P", "[0:0:0:0:0:0:0:1]:P", true},
		{"127.0.0.1:P", "127.0.0.2:P", false},
		{"127.0.0.1:P", "[::1]:P", false},
		{"127.0.0.1:P", "127.0.0.1:0", false},
		{"[::]:0", "[::]:0", false},
	} {
		for _, network := range []string{"tcp", "udp"} {
			port := free(t)
			at := func(text string, place int) address {
				l := &module.Listener{Name: "x"}
				if network == "udp" {
					l.Packets = func(*net.UDPConn) {}
				}
				return newAddress("alpha", l, place, strings.Replace(text, "P", port, 1))
			}
			a, b := at(tc.a, 0), at(tc.b, 1)
			if a.meets(b) != tc.want || b.meets(a) != tc.want {
				t.Errorf("%s: %s meets %s: %v, and the other way round %v", network, tc.a, tc.b, a.meets(b), b.meets(a))
			}
			s := &sockets{open: make(map[string]*socket)}
			_, first := s.listen(a)
			_, second := s.listen(b)
			if first == nil && second == nil && tc.want {
				t.Errorf("%s: %s can be had beside %s", network, tc.b, tc.a)
			}
			s.close()
		}
	}
}
