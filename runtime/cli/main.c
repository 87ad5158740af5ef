/* main.c -- `reeve NOUN VERB ...`.
 *
 * Where to read next: commands.c lists what there is; cli.c finds the command; node.c puts the
 * machine together; the path of a run is runtime/run/orchestrator.c > run_actor.c > store.c >
 * runtime/gate/gate.c > erp/command.
 */
#include "runtime/cli/cli.h"

int main(int argc, char **argv)
{
    return cli_main(argc, argv);
}
