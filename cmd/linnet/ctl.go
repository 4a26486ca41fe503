package main

import (
	"fmt"
	"os"

	"linnet/appliance"
	"linnet/appliance/control"
)

const ctlHelp = `usage: linnet ctl [-data DIR | -config FILE] COMMAND …

Control the server that runs with this data directory. "linnet ctl help" asks it what it can be told to do.

  -data DIR      the server's data directory (default %s)
  -config FILE   the configuration that names it
  -json          print results for programs
  -watch 2s      run the command again and again
  -yes           do not ask before what cannot be undone

It exits with 0 when all is well, 1 when the command failed, 2 when the command line is wrong, 3 when the server
cannot be reached, 4 when it is not allowed, 5 when what it is about does not exist, 6 when it exists already.
`

func ctl(args []string) int {
	data, configFile, rest, err := control.Flags(args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "linnet ctl:", err)
		return control.ExitUsage
	}
	if data == "" {
		if configFile == "" {
			configFile = appliance.FindConfig()
		}
		if data, err = appliance.FindData(configFile); err != nil {
			fmt.Fprintln(os.Stderr, "linnet ctl:", err)
			return control.ExitUsage
		}
	}
	if len(rest) == 0 {
		fmt.Fprintf(os.Stderr, ctlHelp, data)
		return control.ExitUsage
	}
	if len(rest) == 1 && (rest[0] == "-help" || rest[0] == "--help" || rest[0] == "-h") {
		fmt.Printf(ctlHelp, data)
		return control.ExitOK
	}
	c := control.Client{Dir: data, In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		Color: control.IsTerminal(os.Stdout) && os.Getenv("NO_COLOR") == ""}
	if control.IsTerminal(os.Stdin) {
		c.Prompt = &control.Terminal{In: os.Stdin, Out: os.Stderr}
	}
	return c.Run(rest)
}
