package offer

import (
	"slices"
	"testing"
)

func TestOffers(t *testing.T) {
	o := New()
	var heard []string
	stop := o.Watch(func(added, removed []Service) {
		for _, s := range added {
			heard = append(heard, "+"+s.Host)
		}
		for _, s := range removed {
			heard = append(heard, "-"+s.Host)
		}
	})
	service := func(host string) Service {
		return Service{Place: Place{Type: "turn", Host: host, Port: 3478, Transport: "udp"}}
	}
	hosts := func() (list []string) {
		for _, s := range o.List() {
			list = append(list, s.Host)
		}
		return list
	}
	for _, step := range []struct {
		by    string
		set   []Service
		heard []string
		list  []string
	}{
		{"a", []Service{service("1"), service("2")}, []string{"+1", "+2"}, []string{"1", "2"}},
		{"b", []Service{service("3")}, []string{"+3"}, []string{"1", "2", "3"}},
		{"a", []Service{service("2"), service("1")}, nil, []string{"2", "1", "3"}},
		{"a", []Service{service("2"), service("4")}, []string{"+4", "-1"}, []string{"2", "4", "3"}},
		{"a", nil, []string{"-2", "-4"}, []string{"3"}},
		{"c", nil, nil, []string{"3"}},
	} {
		heard = nil
		o.Set(step.by, step.set)
		if !slices.Equal(heard, step.heard) || !slices.Equal(hosts(), step.list) {
			t.Errorf("%s offers %v: heard %q, list %q", step.by, step.set, heard, hosts())
		}
	}
	stop()
	heard = nil
	o.Set("a", []Service{service("5")})
	if heard != nil {
		t.Errorf("heard %q after the end", heard)
	}
}
