import { beforeAll, describe, expect, it } from "vitest"
import { findNatsTool, type NatsTool } from "../../scripts/demo/NatsTool.ts"
import { Report, WrongClaim } from "../../scripts/demo/Report.ts"
import { showInside } from "../../scripts/demo/showInside.ts"
import type { Survivor } from "../../scripts/demo/showKill.ts"
import { centsOf } from "../../src/client/Amount.ts"
import { PurchaseClient } from "../../src/client/PurchaseClient.ts"
import { testKeyFile } from "../../src/harness/system/TestKeys.ts"
import { needs } from "../../src/harness/system/Requirement.ts"
import { useService } from "../support/TestService.ts"

const tool = await findNatsTool(process.env)

describe(
  "the demo's look inside the broker",
  needs({
    tests: "of the demo's look inside the broker",
    missing: tool === undefined ? "no nats command line tool" : undefined,
    remedy: "Run scripts/nats.sh cli: it fetches the tool, or says why it cannot."
  }),
  () => {
    const purchases = 30
    const service = useService()
    let nats: NatsTool
    let survivor: Survivor

    beforeAll(async () => {
      const { url } = service.broker
      nats = (await findNatsTool({ ...process.env, NATS_URL: url, NATS_NKEY_FILE: testKeyFile })) as NatsTool
      const userId = "carol"
      const client = new PurchaseClient({ url: "http://ledger", fetch: (request) => service.edge.app.fetch(request) })
      await client.generate(purchases, userId)
      const cents = centsOf((await client.total(userId)).total)
      const entries = (await Array.fromAsync(client.history(userId))).toReversed()
      const { ledgerSequence } = await client.receipt(userId, entries.at(-1)?.purchaseId ?? "")
      survivor = { userId, entries, cents, ledgerSequence }
    })

    /**
     * Returns a nats tool that answers like the real one, but changes the text of the call whose words contain
     * `called`.
     */
    const lying =
      (called: string, text: RegExp, lie: string): NatsTool =>
      async (...words) => {
        const printed = await nats(...words)
        return words.join(" ").includes(called) ? printed.replace(text, lie) : printed
      }

    it("the demo shows tables of the broker without frames, and all claims about the broker hold", async () => {
      const printed: Array<string> = []
      await showInside(new Report((line) => printed.push(line)), nats, survivor)
      const text = printed.join("\n")
      expect(text).toContain(" ✓ purchases: 30")
      expect(text).toContain(` ✓ newest commit of the account: ${survivor.ledgerSequence}`)
      expect(text).toContain(" ✓ consumers, one for each partition: 2")
      expect(text).toContain(" ✓ purchases not processed or not acknowledged: 0")
      expect(text).toContain(" ✓ services, one for each partition: 2")
      expect(text).toMatch(/^ {3}│ Key +│ Revision │/m)
      expect(text).toMatch(/^ {3}│ Consumer │ Mode/m)
      expect(text).toMatch(/^ {3}│ ledger │ 1\.0\.0/m)
      expect(text).not.toMatch(/[╭├╰]/)
    })

    it.each([
      ["an account has fewer purchases", "ledger.account", /"purchaseCount":30/, '"purchaseCount":29', "'29'"],
      ["an account has another total", "ledger.account", /"total":\d+\.\d\d/, '"total":0.01', "came back as '0.01'"],
      [
        "an account names another commit",
        "ledger.account",
        /"newestCommit":\d+/,
        '"newestCommit":1',
        "came back as '1'"
      ],
      ["a commit has another version", "kv get", /"v":2/, '"v":3', "version of the record: came back as '3'"],
      ["another worker owns the chain", "kv get", /"worker":"[^"]+"/, '"worker":"other"', "came back as 'other'"],
      ["the commit is in another chain", "stream get", /journal\.commit\.\d+/, "journal.commit.9", "'commit.9'"],
      ["there are more partitions", "--json", /"purchases.partitions": "2"/, '"purchases.partitions": "3"', "'2'"],
      ["a message waits in a consumer", "CONSUMER.LIST", /"num_pending":0/, '"num_pending":1', "came back as '1'"],
      ["a message waits for its acknowledgement", "CONSUMER.LIST", /"num_ack_pending":0/, '"num_ack_pending":2', "'2'"]
    ])(
      "the look inside the broker fails with a wrong claim if %s",
      async (_what, called, text, lie, said) => {
        const shown = showInside(new Report(() => undefined), lying(called, text, lie), survivor, 500)
        await expect(shown).rejects.toThrow(WrongClaim)
        await expect(shown).rejects.toThrow(said)
      },
      40_000
    )

    it("the message about a failed nats tool has the command and the message of the tool", async () => {
      await expect(nats("kv", "get", "journal", "nowhere")).rejects.toThrow(
        /^nats kv get journal nowhere failed: nats: error: .*key not found/
      )
    })
  }
)
