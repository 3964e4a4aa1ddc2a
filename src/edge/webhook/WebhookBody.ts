import { Effect, Exit, Schema } from "effect"
import { repeatedNameOf } from "../../rules/WrittenNumber.ts"
import { failureOf } from "../../runtime/ExitFailure.ts"
import { urlLengthMax } from "../../webhook/Target.ts"
import type { WantedWebhook } from "../../webhook/WebhookChange.ts"
import { jsonMediaType } from "../contract/AnswerSpec.ts"
import { type Problem, problem } from "../contract/Problem.ts"
import { textOfBody } from "../posting/TextBody.ts"
import { orFail } from "../runtime/EdgeRuntime.ts"
import type { Body } from "../route/Route.ts"

/** The largest body of a request that sets a webhook, in bytes. */
const bodyBytesMax = 8 * 1024

const tooLarge = problem("body-too-large", `A webhook has at most ${bodyBytesMax} bytes.`)

/** The body of `PUT /users/{id}/webhook`. */
export const WebhookRequest = Schema.Struct({
  url: Schema.optionalKey(
    Schema.String.check(Schema.isMaxLength(urlLengthMax)).annotate({
      format: "uri",
      description: "An https URL on the port 443 or 8443, whose host has public addresses only."
    })
  ),
  enabled: Schema.optionalKey(Schema.Boolean).annotateKey({
    description:
      "`false` stops the deliveries. `true` continues the deliveries where they stopped. A new webhook is enabled."
  }),
  resume: Schema.optionalKey(Schema.Literal("now")).annotateKey({
    description:
      "Skips the alerts that are not delivered yet, and continues with the alerts that are stored after the request."
  })
}).annotate({
  identifier: "WebhookRequest",
  description: "Members that are left out leave the webhook as it is. A new webhook needs a `url`."
})

const decode = Schema.decodeUnknownExit(
  Schema.Struct({
    url: Schema.optionalKey(Schema.String),
    enabled: Schema.optionalKey(Schema.Boolean),
    resume: Schema.optionalKey(Schema.Literal("now"))
  }),
  { onExcessProperty: "error" }
)

const notJson = problem("malformed-request", 'The body is not JSON like {"url": "https://example.org/alerts"}.')

const wantedIn = (text: string): WantedWebhook | Problem<"malformed-request"> => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return notJson
  }
  const repeated = repeatedNameOf(text)
  if (repeated !== undefined) return problem("malformed-request", `The body has ${repeated} twice.`)
  const exit = decode(value)
  if (Exit.isSuccess(exit)) return exit.value
  return problem(
    "malformed-request",
    `The body may have the members url (a text), enabled (true or false) and resume ("now"): ${failureOf(exit)?.message ?? ""}.`
  )
}

/** The body of a request with the webhook that a user wants. */
export const oneWebhook: Body<WantedWebhook> = {
  mediaType: jsonMediaType,
  asked: `a webhook as ${jsonMediaType}`,
  documented: WebhookRequest,
  read: (http) => Effect.flatMap(textOfBody(http, bodyBytesMax, tooLarge), (text) => orFail(wantedIn(text)))
}
