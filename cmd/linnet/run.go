package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"linnet/appliance"
	"linnet/appliance/features"
	"linnet/netsvc/config"
	"linnet/store"
)

// stopTime is when a program that was asked to end is ended.
const stopTime = 5 * time.Second

// node are the flags that say which node is meant.
type node struct {
	config, data string
	set          list
}

type list []string

func (l *list) String() string { return "" }

func (l *list) Set(text string) error {
	*l = append(*l, text)
	return nil
}

// place are the flags that say whose data are meant.
func (n *node) place(fs *flag.FlagSet) {
	fs.StringVar(&n.config, "config", "", "the configuration `file` (default "+appliance.DefaultConfig+" if it is there and -data is not given)")
	fs.StringVar(&n.data, "data", "", "the `directory` of everything that is kept (default "+appliance.DefaultData()+")")
}

// flags are those of place and all that decide how the node runs.
func (n *node) flags(fs *flag.FlagSet) {
	n.place(fs)
	fs.Func("domain", "the `domain` that is served, short for -set domain=…", func(text string) error {
		return n.set.Set("domain=" + text)
	})
	fs.Var(&n.set, "set", "`section.option=value` wins over the file; may be given several times")
}

// options returns what makes up the node.
func (n *node) options() appliance.Options {
	if n.config == "" && n.data == "" {
		n.config = appliance.FindConfig()
	}
	v, when := release()
	o := appliance.Options{Config: n.config, Data: n.data, Set: n.set, Absent: features.Absent, Version: v, Built: when, Program: os.Args[0]}
	if exe, err := os.Executable(); err == nil {
		o.Checker = []string{exe, "check-store"}
	}
	return o
}

// parse reads flags and takes no words beside them but n.
func parse(fs *flag.FlagSet, about string, args []string, words int) (ok bool, code int) {
	fs.SetOutput(io.Discard)
	err := fs.Parse(args)
	if err == nil && fs.NArg() != words {
		err = fmt.Errorf("expected %d words beside the flags, not %d", words, fs.NArg())
	}
	if err == nil {
		return true, exitOK
	}
	out := os.Stdout // help that was asked for can be piped
	if code = exitOK; !errors.Is(err, flag.ErrHelp) {
		out, code = os.Stderr, exitUsage
		fmt.Fprintf(out, "linnet %s: %v\n", fs.Name(), err)
	}
	fmt.Fprintln(out, about)
	fs.SetOutput(out)
	fs.PrintDefaults()
	return false, code
}

func run(args []string) int {
	var n node
	fs := flag.NewFlagSet("run", flag.ContinueOnError)
	n.flags(fs)
	quiet := fs.Bool("quiet", false, "do not print addresses and first steps")
	if ok, code := parse(fs, "usage: linnet run [flags]\n\nServe until SIGTERM or SIGINT; SIGHUP reads the configuration again.\n", args, 0); !ok {
		return code
	}
	syscall.Umask(0o077)
	o := n.options()
	o.Log = os.Stderr
	if !*quiet {
		o.Out = os.Stdout
	}
	signal.Ignore(syscall.SIGPIPE) // the end of who reads our log or welcome is not ours
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM)
	a, err := appliance.New(o)
	if err != nil {
		return complain("run", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	changed := make(chan struct{}, 1) // one more reload is enough, however many were asked for during one
	go func() {
		for range changed {
			a.Hangup()
		}
	}()
	go func() {
		for s := range signals {
			if s == syscall.SIGHUP {
				select {
				case changed <- struct{}{}:
				default:
				}
				continue
			}
			if ctx.Err() != nil {
				a.FlushLog()
				os.Exit(exitFailed) // asked twice
			}
			cancel()
			time.AfterFunc(stopTime, func() {
				a.FlushLog()
				os.Exit(exitFailed)
			})
		}
	}()
	err = a.Run(ctx)
	if errors.Is(err, appliance.ErrRestart) {
		err = again()
	}
	if err != nil {
		return complain("run", err)
	}
	return exitOK
}

// again replaces the program by a new start of itself, under the same process id.
func again() error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	return syscall.Exec(exe, os.Args, os.Environ())
}

// complain prints an error; what the operator can mend gets a line each.
func complain(part string, err error) int {
	var problems config.Problems
	if errors.As(err, &problems) {
		fmt.Fprintln(os.Stderr, problems)
		return exitUsage
	}
	fmt.Fprintf(os.Stderr, "linnet %s: %v\n", part, err)
	return exitFailed
}

func check(args []string) int {
	var n node
	fs := flag.NewFlagSet("check", flag.ContinueOnError)
	n.flags(fs)
	if ok, code := parse(fs, "usage: linnet check [flags]\n\nCheck a configuration without starting anything.\n", args, 0); !ok {
		return code
	}
	o := n.options()
	if _, err := appliance.New(o); err != nil {
		code := complain("check", err)
		var problems config.Problems
		if errors.As(err, &problems) && len(problems) > 1 {
			fmt.Fprintf(os.Stderr, "%d mistakes\n", len(problems))
		}
		return code
	}
	if o.Config == "" {
		fmt.Println("there is no configuration file: the defaults are good")
	} else {
		fmt.Println(o.Config, "is good")
	}
	return exitOK
}

func sample(args []string) int {
	fs := flag.NewFlagSet("sample", flag.ContinueOnError)
	if ok, code := parse(fs, "usage: linnet sample", args, 0); !ok {
		return code
	}
	text, err := appliance.Sample()
	if err != nil {
		return complain("sample", err)
	}
	fmt.Print(text)
	return exitOK
}

func restore(args []string) int {
	var n node
	fs := flag.NewFlagSet("restore", flag.ContinueOnError)
	n.place(fs)
	if ok, code := parse(fs, "usage: linnet restore [flags] FILE\n\nPut FILE, written by `linnet ctl backup`, in the place of the data of a server that does not run.\nWhat was there stays beside it as linnet.db.replaced-TIME, which is a FILE too, until you remove it.\n", args, 1); !ok {
		return code
	}
	syscall.Umask(0o077)
	dir := n.data
	if dir == "" {
		var err error
		if dir, err = appliance.FindData(n.options().Config); err != nil {
			fmt.Fprintln(os.Stderr, "linnet restore:", err)
			return exitUsage
		}
	}
	aside, err := appliance.Restore(dir, fs.Arg(0))
	if err == nil {
		fmt.Println("restored to", filepath.Join(dir, store.MainFile))
	}
	if aside != "" {
		fmt.Println("what was there is kept, until you remove it, in", aside)
	}
	if err != nil {
		return complain("restore", err)
	}
	return exitOK
}

func checkStore(args []string) int {
	if len(args) != 1 {
		return exitUsage
	}
	return store.CheckMain(args[0], os.Stdout)
}
