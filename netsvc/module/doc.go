// Package module is how a service of linnet declares what it has and is started.
//
// A service registers a factory in its init (Register) and nothing else: there is no state at package
// level, so that several nodes fit into one process. Of the factory's product, Setup declares — options,
// metrics, commands, tables, listening addresses — against a Host; Start acts; Stop undoes. Running every
// Setup against a Recorder yields the reference without starting anything.
//
// # Generations
//
// All instances that were set up together are a generation. Its options and hook tables never change. A
// reload makes new instances (New and Setup with the new options) and swaps them in; if anything fails the
// old generation stays. What lives longer than a generation — sessions, rooms, caches — is Live state under
// a name, which the next generation is handed. The calls an instance sees:
//
//	New, Setup    always, for every generation
//	Start         when the service was not running before
//	Switch        when its generation becomes the current one, after all Starts of that generation
//	Stop          on the instance of the current generation, when the service is removed or the program ends
//
// So a service that stays through a reload sees neither Start nor Stop: the new instance's Switch points the
// Live state at the new options. Stop may run on another instance than Start did; what it must undo
// belongs into Live state.
//
// The package owns these contracts and the registry. The life cycle itself is the appliance's.
package module
