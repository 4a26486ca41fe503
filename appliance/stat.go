package appliance

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"linnet/netsvc/command"
	"linnet/netsvc/metric"
)

// levels are how much the statistics show, from little to all.
var levels = []string{"info", "fine", "finest"}

var level = command.Arg{Name: "level", Kind: command.Enum, Choices: levels, Default: "finest",
	Help: "info: single figures, and not those that are zero; fine: tables too; finest: everything"}

// shown tells whether a level shows a sample.
func shown(level string, s *metric.Sample) bool {
	switch level {
	case "info":
		return len(s.Labels) == 0 && !zero(s)
	case "fine":
		return !zero(s)
	}
	return true
}

func zero(s *metric.Sample) bool { return s.Value == 0 && s.Count == 0 && s.Text == "" }

// serviceOf is the service that a section belongs to: "xmpp" for "xmpp.roster".
func serviceOf(section string) string {
	name, _, _ := strings.Cut(section, ".")
	return name
}

// statistics adds one command for each service that has metrics, for those who pick commands from a list. At the
// command line `stat` takes the name of a service.
func (g *generation) statistics() {
	var services []string
	for _, section := range g.declared.Metrics.Sections() {
		if service := serviceOf(section); !slices.Contains(services, service) {
			services = append(services, service)
		}
	}
	for _, service := range services {
		g.commands.Add(command.Command{Name: "stat " + service, Effect: command.Read, Role: command.Operator, Remote: true,
			Help: "Show the metrics of " + service + ".", Args: []command.Arg{level},
			Run: func(_ context.Context, call *command.Call) (*command.Result, error) {
				return g.base.metricsOf(call, func(s *metric.Sample) bool { return serviceOf(s.Section) == service }), nil
			}})
	}
}

func (b *base) stat(_ context.Context, call *command.Call) (*command.Result, error) {
	if call.Bool("openmetrics") {
		return command.Say(string(b.a.metrics.AppendOpenMetrics(nil))), nil
	}
	prefix := strings.ToLower(call.String("name"))
	r := b.metricsOf(call, func(s *metric.Sample) bool {
		return strings.HasPrefix(strings.ToLower(s.Desc.Name), prefix) || s.Section == prefix || serviceOf(s.Section) == prefix
	})
	if len(r.Rows) == 0 && prefix != "" {
		return nil, command.Fail(command.NotFound, "no metric begins with %q, and no service has the name", prefix)
	}
	return r, nil
}

// metricsOf is the table of those that are wanted. A time has several rows.
func (b *base) metricsOf(call *command.Call, wanted func(*metric.Sample) bool) *command.Result {
	r := command.Table(command.Column{Name: "service"}, command.Column{Name: "metric"}, command.Column{Name: "labels"},
		command.Column{Name: "value", Kind: command.Int}, command.Column{Name: "unit"})
	level := call.String("level")
	b.a.metrics.Walk(func(s metric.Sample) bool {
		if !wanted(&s) || !shown(level, &s) {
			return true
		}
		labels := strings.Join(s.Labels, " ")
		switch s.Desc.Kind {
		case metric.KindInfo:
			r.Row(s.Section, s.Desc.Name, labels, s.Text, "")
		case metric.KindTime:
			r.Row(s.Section, s.Desc.Name, labels, strconv.FormatUint(s.Count, 10), "times")
			part := func(name string, d time.Duration) {
				r.Row(s.Section, s.Desc.Name, strings.TrimSpace(labels+" "+name), strconv.FormatInt(d.Microseconds(), 10), "µs")
			}
			part("sum", s.Sum)
			if s.Count > 0 {
				part("mean", s.Sum/time.Duration(s.Count))
			}
			part("longest", s.Max)
		default:
			r.Row(s.Section, s.Desc.Name, labels, strconv.FormatInt(s.Value, 10), s.Desc.Unit)
		}
		return true
	})
	return r
}
