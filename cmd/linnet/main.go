// Linnet is the one program on the device: the server, the program that controls it, and their helpers, chosen by
// the first word.
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"linnet/appliance"
	"linnet/appliance/features"
	"linnet/netsvc/config"
)

// Set by the linker: -X main.version=1.2.3 -X main.built=1767225600 (seconds since 1970). Without them the
// version control's stamp in the program is used.
var (
	version = "development"
	built   = "0"
)

// Exit codes of every part but ctl, which has more (see appliance/control).
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2 // the command line or the configuration is wrong
)

// verbs are the parts of the program, in the order of the help.
func verbs() []verb {
	return []verb{
		{"run", "run the server", run, true},
		{"ctl", "control a running server: linnet ctl help", ctl, true},
		{"check", "check a configuration and print everything that is wrong with it", check, true},
		{"sample", "print a configuration file with every option and its default", sample, true},
		{"restore", "put a backup in the place of the data of a server that does not run", restore, true},
		{"version", "print the version", printVersion, false},
		{"help", "print this", help, false},
		{"check-store", "", checkStore, false}, // started by run, after an unclean stop
	}
}

type verb struct {
	name    string
	summary string // hidden without one
	run     func(args []string) int
	flags   bool // it takes them, -help among them
}

func main() {
	args := os.Args[1:]
	// A link named like a part is that part: linnetctl, or linnet-run.
	for _, v := range verbs() {
		if base := filepath.Base(os.Args[0]); base == "linnet"+v.name || base == "linnet-"+v.name {
			os.Exit(v.run(args))
		}
	}
	if len(args) == 0 {
		usage(os.Stderr)
		os.Exit(exitUsage)
	}
	switch args[0] {
	case "-h", "-help", "--help":
		args[0] = "help"
	case "-version", "--version":
		args[0] = "version"
	}
	for _, v := range verbs() {
		if v.name == args[0] {
			os.Exit(v.run(args[1:]))
		}
	}
	fmt.Fprintf(os.Stderr, "linnet: there is no part %q", args[0])
	var names []string
	for _, v := range verbs() {
		names = append(names, v.name)
	}
	if near := config.Nearest(args[0], names); near != "" {
		fmt.Fprintf(os.Stderr, "; did you mean %q?", near)
	}
	fmt.Fprint(os.Stderr, "\n\n")
	usage(os.Stderr)
	os.Exit(exitUsage)
}

func usage(w io.Writer) {
	fmt.Fprint(w, "linnet is an XMPP server for small machines.\n\nusage: linnet PART …\n\n")
	for _, v := range verbs() {
		if v.summary != "" {
			fmt.Fprintf(w, "  %-8s %s\n", v.name, v.summary)
		}
	}
	fmt.Fprintf(w, `
A part explains itself with -help. The first steps:

  linnet run                     serve, with data in %s, and say what comes next
  linnet ctl help                what a running server can be told to do
  linnet sample > linnet.toml    a configuration to change, then: linnet run -config linnet.toml
`, appliance.DefaultData())
}

// help prints what there is, or what one part takes.
func help(args []string) int {
	for _, v := range verbs() {
		if len(args) > 0 && v.name == args[0] && v.flags {
			return v.run([]string{"-help"})
		}
	}
	usage(os.Stdout)
	return exitOK
}

func printVersion([]string) int {
	v, when := release()
	fmt.Printf("linnet %s (%s %s/%s)\n", v, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	if !when.IsZero() {
		fmt.Println("built", when.UTC().Format(time.RFC3339))
	}
	for _, f := range features.Table {
		if !f.Linked() {
			fmt.Printf("without %s: %s\n", f.Name, f.Summary)
		}
	}
	return exitOK
}

// release returns the version and the time of the build, zero if it is not known.
func release() (string, time.Time) {
	v, when := version, time.Time{}
	if n, err := strconv.ParseInt(built, 10, 64); err == nil && n > 0 {
		when = time.Unix(n, 0)
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v, when
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			if v == "development" && len(s.Value) >= 8 {
				v += "-" + s.Value[:8]
			}
		case "vcs.time":
			if t, err := time.Parse(time.RFC3339, s.Value); err == nil && when.IsZero() {
				when = t
			}
		}
	}
	return v, when
}
