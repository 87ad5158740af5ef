/* reload.h -- SIGHUP: the settings that a serving reeve takes up without a new start. */
#ifndef REEVE_RUNTIME_CLI_RELOAD_H
#define REEVE_RUNTIME_CLI_RELOAD_H

#include "runtime/cli/cli.h"
#include "runtime/hooks/sender.h"

/* Reads all settings again and applies the LIVE ones.  What cannot be read changes nothing; a
 * changed RESTART setting is only named.  Both are said in the log.  Thread: the main core's. */
void reload_settings(const struct cli *cli, struct rv_hooks *hooks);

#endif
