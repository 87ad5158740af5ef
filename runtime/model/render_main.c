/* render_main.c -- reeve-render: questions in, prompts out, one JSON object a line.
 *
 *     {"question":{..},"seed":7,"names":["Acme"]}  ->  {"system":"You advise ..","user":"\n## .."}
 *
 * For whoever trains or measures a model: what is learned must be, byte for byte, what the product
 * sends, so the product's own code writes it.  "system" is rv_prompt_instructions, "user" the rest
 * of the text.  kernels/nano/generate.py feeds it.  A line that is no question ends the program
 * with 1.
 */
#include "runtime/base/check.h"
#include "runtime/model/model.h"
#include "runtime/model/prompt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum rv_code render(const json_t *input, FILE *out, struct rv_error *err)
{
    struct rv_redaction *redaction = rv_redaction_create(json_object_get(input, "names"));
    struct rv_prompt prompt;
    enum rv_code code = rv_prompt_write(&prompt, redaction, json_object_get(input, "question"),
                                        rv_json_int(input, "seed", 0), err);
    if (code == RV_OK) {
        size_t ours = strlen(rv_prompt_instructions);
        json_t *line = json_pack("{s:s,s:s}", "system", rv_prompt_instructions, "user",
                                 prompt.text.data + ours);
        char *text = json_dumps(line, JSON_COMPACT);
        RV_ASSERT(text != NULL);
        fprintf(out, "%s\n", text);
        free(text);
        json_decref(line);
    }
    rv_prompt_fini(&prompt);
    rv_redaction_destroy(redaction);
    return code;
}

int main(void)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    int number = 0;
    enum rv_code code = RV_OK;
    while (code == RV_OK && (length = getline(&line, &room, stdin)) > 0) {
        struct rv_error err = {.code = RV_OK};
        json_t *input = NULL;
        number++;
        code = rv_json_parse(line, (size_t)length, "the question", &input, &err);
        if (code == RV_OK) {
            code = render(input, stdout, &err);
        }
        if (code != RV_OK) {
            fprintf(stderr, "reeve-render: line %d: %s\n", number, err.message);
        }
        json_decref(input);
    }
    free(line);
    return code == RV_OK && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
