/* main.c -- `reeve NOUN VERB ...`.
 *
 * Where to read next: commands.c lists what there is; cli.c finds the command; node.c puts the
 * machine together; the path of a run is runtime/run/orchestrator.c > run_actor.c > store.c >
 * runtime/gate/gate.c > erp/command.
 */
#include "runtime/cli/cli.h"
#include "runtime/model/child.h"
#include "runtime/model/frame.h"

#include <string.h>

int main(int argc, char **argv)
{
    /* the model engine's process, which reeve begins itself: no settings, no database */
    if (argc == 3 && strcmp(argv[1], "model") == 0 && strcmp(argv[2], "engine") == 0) {
        return rv_engine_child(RV_FRAME_FD);
    }
    return cli_main(argc, argv);
}
