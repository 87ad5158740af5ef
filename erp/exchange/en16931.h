/* en16931.h -- the rules of EN 16931 (electronic invoice) that arithmetic, presence and small code
 * lists can decide, by the ids under which validators report them.
 *
 * Ids are those of the public validation artefacts: the Canary Islands' and the Ceuta/Melilla
 * taxes are BR-AF-* and BR-AG-* there (the standard's text says BR-IG-* and BR-IP-*).  Where the
 * artefacts allow a tolerance (tax base and tax of rated categories: less than 1.00) so does this
 * code, so that a document gets the same fatal ids here and there.  What is not implemented is
 * listed by erp_en16931_missing, each with its reason.
 *
 * A rule that fails in several places gives one finding that counts them.  Documents that do not
 * claim EN 16931 (UBL 2.0, plain 2.1) are checked by erp_en16931_check_arithmetic only, which uses
 * the same ids where the meaning is the same.
 *
 * Pure: looks at a tree, appends findings ({"rule","fatal","message","expected","found"}).
 */
#ifndef REEVE_ERP_EXCHANGE_EN16931_H
#define REEVE_ERP_EXCHANGE_EN16931_H

#include "erp/exchange/ubl_tree.h"
#include "runtime/base/json.h"

/* The document says it follows EN 16931 (its CustomizationID begins with the standard's urn). */
bool erp_en16931_claimed(const struct erp_ubl *ubl);
void erp_en16931_check(const struct erp_ubl *ubl, json_t *findings);

/* Sums, tax bases and tax of any UBL invoice: BR-CO-10..17 and BR-S-08, with these readings for
 * documents that say less: a total that is absent is not checked; an allowance or line without a
 * category belongs to the only category there is; a net total below the lines' sum, where the
 * document lists no allowance at all, is an unstated allowance and not fatal.  When a tax base is
 * wrong and the rate is known the finding is BR-CO-17 with the tax amounts, else BR-S-08 with the
 * bases.  `currency`: the document's,
 * known and postable. */
void erp_en16931_check_arithmetic(const struct erp_ubl *ubl, const char *currency,
                                  json_t *findings);

struct erp_en16931_gap {
    const char *rule; /* "BR-CL-07" or a family "BR-CO-05..08"; NULL ends */
    const char *reason;
};
extern const struct erp_en16931_gap erp_en16931_missing[];

#endif
