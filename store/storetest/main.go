package storetest

import (
	"os"

	"linnet/store"
)

// checkProgram is the name of the child program that checks a file.
const checkProgram = "storetest-check"

// CheckCommand is an Options.CheckCommand for tests whose TestMain calls Main.
func CheckCommand() []string { return []string{os.Args[0], checkProgram} }

// Main runs the test binary as one of its child programs if it was started as one, and then does not return. A TestMain
// calls it before m.Run. programs are the caller's own, by name; each gets the arguments after its name and returns the
// exit code.
func Main(programs map[string]func(args []string) int) {
	if len(os.Args) < 2 {
		return
	}
	name, args := os.Args[1], os.Args[2:]
	if name == checkProgram && len(args) == 1 {
		os.Exit(store.CheckMain(args[0], os.Stdout))
	}
	if name == LoadProgram && len(args) == 4 {
		os.Exit(runLoad(args))
	}
	if run := programs[name]; run != nil {
		os.Exit(run(args))
	}
}
