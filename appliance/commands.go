package appliance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"linnet/appliance/journal"
	"linnet/appliance/settings"
	"linnet/netsvc/command"
	"linnet/netsvc/config"
	"linnet/netsvc/module"
	"linnet/netsvc/outside"
)

// commands declares what an operator can do to the program itself.
func (b *base) commands(h module.Host) {
	h.Command(command.Command{Name: "status", Effect: command.Read, Role: command.Operator, Run: b.status,
		Help: "Show version, uptime, domains, addresses and memory."})
	h.Command(command.Command{Name: "stat", Effect: command.Read, Role: command.Operator, Run: b.stat,
		Help: "Show the metrics.",
		Args: []command.Arg{{Name: "name", Kind: command.Text, Help: "only metrics whose name begins like this, or those of the service of this name"}, level,
			{Name: "openmetrics", Kind: command.Bool, Help: "all metrics in the text format of OpenMetrics, for a collector that reads files"}}})
	h.Command(command.Command{Name: "config show", Effect: command.Read, Role: command.Operator, Run: b.configShow,
		Help: "Show the options with their values and where each came from.",
		Args: []command.Arg{
			{Name: "section", Kind: command.Text, Help: `only this section, such as "c2s"`},
			{Name: "changed", Kind: command.Bool, Help: "leave out what is at its default"},
		}})
	h.Command(command.Command{Name: "config sample", Effect: command.Read, Role: command.Operator,
		Help: "Print a configuration file with every option, its default and what it is for.",
		Run: func(context.Context, *command.Call) (*command.Result, error) {
			return command.Say(settings.Sample(b.g.declared.Schema)), nil
		}})
	h.Command(command.Command{Name: "reload", Effect: command.Change, Role: command.Admin, Run: b.reload,
		Help: "Read the configuration again and put it in force.\n\nIf anything is wrong with it, everything stays as it is."})
	h.Command(command.Command{Name: "log show", Effect: command.Read, Role: command.Admin, Run: b.logShow,
		Help: "Show the newest lines of the log.",
		Args: []command.Arg{
			{Name: "lines", Kind: command.Int, Default: "50", Help: "how many"},
			{Name: "follow", Kind: command.Bool, Help: "go on with new ones as they come"},
		}})
	h.Command(command.Command{Name: "log level", Effect: command.Change, Role: command.Admin, Run: b.logLevel,
		Help: "Change the least level of what is logged, until the next reload.",
		Args: []command.Arg{{Name: "level", Kind: command.Enum, Choices: journal.Levels, Required: true, Help: "the level"}}})
	h.Command(command.Command{Name: "backup", Effect: command.Change, Role: command.Admin, Local: true, Run: b.backup,
		Help: "Write a copy of everything that is kept to a file, for `linnet restore`.",
		Args: []command.Arg{{Name: "file", Kind: command.Path, Required: true, Help: "the file; it must not be there yet"}}})

	// XEP-0133 1.3.1, sections 4.24 and 4.25.
	ending := []command.Arg{
		{Name: "delay", Kind: command.Duration, Default: "0s", Var: "delay", Help: "the time until then"},
		{Name: "announcement", Kind: command.Lines, Var: "announcement", Help: "what users who are online are told"},
	}
	h.Command(command.Command{Name: "restart", Node: "http://jabber.org/protocol/admin#restart", Args: ending,
		Effect: command.Danger, Role: command.Admin, Help: "End the program in order and start it anew.", Run: b.ending(true)})
	h.Command(command.Command{Name: "shutdown", Node: "http://jabber.org/protocol/admin#shutdown", Args: ending,
		Effect: command.Danger, Role: command.Admin, Help: "End the program in order.", Run: b.ending(false)})
}

func (b *base) status(context.Context, *command.Call) (*command.Result, error) {
	r := &command.Result{}
	r.Set("version", "version", b.a.opts.Version)
	r.Add("started", "started", command.Time, command.Stamp(b.a.began))
	r.Add("uptime", "up for", command.Duration, time.Since(b.a.began).Round(time.Second).String())
	r.Add("domains", "domains", command.Lines, b.g.site.Domains...)
	r.Set("data", "data", b.data)
	r.Set("config", "configuration", cmp.Or(b.a.opts.Config, "none"))
	if note := b.a.clockNote(); note != "" {
		r.Set("clock", "clock", note)
	}
	r.Set("pressure", "memory is", b.a.guard.Pressure().String())
	health := "good"
	if err := b.a.store.Health(); err != nil {
		health = err.Error()
	}
	r.Set("store", "store is", health)
	if o := outside.Of(b.host); o.Address().IsValid() {
		r.Set("outside", "address outside", o.Address().String())
	} else if reason := o.Reason(); reason != "" {
		r.Set("outside", "address outside", "none: "+reason)
	}
	r.Columns = []command.Column{{Name: "service"}, {Name: "listener"}, {Name: "address"}, {Name: "security"}}
	for _, bound := range b.a.sockets.bound(b.g) {
		r.Row(bound.Service, bound.Name, bound.Addr.String(), string(bound.Security))
	}
	return r, nil
}

func (b *base) configShow(_ context.Context, call *command.Call) (*command.Result, error) {
	section := strings.Trim(call.String("section"), "[]")
	schema := b.g.declared.Schema
	if section != "" && schema.Find(section) == nil {
		var names []string
		for _, s := range schema.Sections() {
			names = append(names, s.Name())
		}
		text := fmt.Sprintf("there is no section [%s]", section)
		if near := config.Nearest(section, names); near != "" {
			text += "; did you mean [" + near + "]?"
		}
		return nil, command.Fail(command.NotFound, "%s", text)
	}
	return settings.Show(schema, section, call.Bool("changed")), nil
}

func (b *base) reload(context.Context, *command.Call) (*command.Result, error) {
	err := b.a.Reload()
	var problems config.Problems
	if errors.As(err, &problems) {
		return nil, command.Fail(command.Conflict, "nothing was changed:\n%v", problems)
	}
	if err != nil {
		return nil, command.Fail(command.Unavailable, "nothing was changed: %v", err)
	}
	return command.Say("The configuration is in force."), nil
}

func (b *base) logShow(ctx context.Context, call *command.Call) (*command.Result, error) {
	say := func(lines []journal.Line) *command.Result {
		texts := make([]string, len(lines))
		for i, l := range lines {
			texts[i] = l.Text
		}
		return command.Say(strings.Join(texts, "\n"))
	}
	lines := b.a.journal.Last(max(call.Int("lines"), 0))
	if !call.Bool("follow") {
		return say(lines), nil
	}
	after := b.a.journal.Next()
	for {
		if len(lines) > 0 {
			after = lines[len(lines)-1].Number + 1
			if err := call.Emit(say(lines)); err != nil {
				return nil, nil // nobody looks any more
			}
		}
		var err error
		if lines, err = b.a.journal.From(ctx, after); err != nil {
			return nil, nil
		}
	}
}

func (b *base) logLevel(_ context.Context, call *command.Call) (*command.Result, error) {
	b.a.journal.SetLevel(journal.Level(call.String("level")))
	return nil, nil
}

// backup writes to a file that is complete or not there.
func (b *base) backup(_ context.Context, call *command.Call) (*command.Result, error) {
	path := call.String("file")
	if _, err := os.Stat(path); err == nil {
		return nil, command.Fail(command.Conflict, "%s is there already", path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".linnet-backup-*") // mode 0600: it holds everybody's keys
	if err != nil {
		var at *fs.PathError
		if errors.As(err, &at) {
			err = at.Err // the name of the file that is made first says nothing
		}
		return nil, command.Fail(command.Unavailable, "no backup can be written to %s: %v", filepath.Dir(path), err)
	}
	defer os.Remove(f.Name())
	err = errors.Join(b.a.store.Backup(f), f.Sync())
	size, _ := f.Seek(0, io.SeekCurrent)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Link(f.Name(), path) // unlike a rename it never replaces
	}
	if err != nil {
		return nil, command.Fail(command.Unavailable, "no backup was made: %v", err)
	}
	r := &command.Result{}
	r.Set("file", "", path)
	r.Add("size", "", command.Bytes, strconv.FormatInt(size, 10))
	return r, nil
}

// longestDelay bounds how far ahead an end can be ordered.
const longestDelay = 24 * time.Hour

// ending returns the command that ends the program, after an announcement if there is a command for it.
func (b *base) ending(restart bool) func(context.Context, *command.Call) (*command.Result, error) {
	return func(ctx context.Context, call *command.Call) (*command.Result, error) {
		delay := call.Duration("delay")
		if delay > longestDelay {
			return nil, command.BadArg("delay", "is longer than a day")
		}
		if lines := call.Lines("announcement"); len(lines) > 0 {
			if _, err := b.g.commands.Run(ctx, call.Caller, "announce", command.Values{"announcement": lines}); err != nil {
				return nil, command.Fail(command.Unavailable, "the announcement was not made, and nothing else: %v", err)
			}
		}
		reason := "shutdown"
		if restart {
			reason = "restart"
		}
		time.AfterFunc(max(delay, answerTime), func() { b.a.end(reason, restart) })
		if delay > 0 {
			return command.Say("It will be in " + delay.String() + "."), nil
		}
		return nil, nil
	}
}
