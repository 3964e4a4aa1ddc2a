import { Schema } from "effect"

/** Each header that an answer may have, and what it means. */
export const answerHeaders = {
  "accept-encoding": "The content encodings that a body may have.",
  allow: "The methods that the path has.",
  "cache-control": "Whether caches may keep the answer.",
  "content-security-policy": "What a browser may load for the page.",
  etag: "Names this state; send it as If-None-Match to be told only of another one.",
  "idempotent-replayed": "`true` where the same purchase is known to have come before.",
  link: 'The next page, as `rel="next"`.',
  location: "The path of the purchase's receipt.",
  "preference-applied": "The preference that was followed, like `wait=5`.",
  "retry-after": "Seconds after which it is worth trying again."
} as const
export type AnswerHeader = keyof typeof answerHeaders

/** One answer of a route: what it means, its body, and the headers that it may have. */
export interface AnswerSpec<
  Body extends Schema.Constraint | undefined = Schema.Constraint | undefined,
  Header extends AnswerHeader = AnswerHeader
> {
  readonly description: string
  readonly mediaType: string
  /** What it may be instead, as a text; a route that gives one makes the Response itself. */
  readonly otherMediaTypes?: ReadonlyArray<string>
  readonly body: Body
  readonly headers: ReadonlyArray<Header>
}

export const jsonMediaType = "application/json"
export const linesMediaType = "application/x-ndjson"

/** Every media type of an answer, the usual one first. */
export const mediaTypesOf = ({ mediaType, otherMediaTypes = [] }: AnswerSpec): ReadonlyArray<string> => [
  mediaType,
  ...otherMediaTypes
]

/** Returns the media type in a content-type header without its parameters; of joined lines, that of the first. */
export const mediaTypeIn = (header = ""): string => {
  const end = header.search(/[;,]/)
  return (end < 0 ? header : header.slice(0, end)).trim().toLowerCase()
}

export const jsonAnswer = <Body extends Schema.Constraint, Header extends AnswerHeader = never>(
  description: string,
  body: Body,
  headers: ReadonlyArray<Header> = []
): AnswerSpec<Body, Header> => ({ description, mediaType: jsonMediaType, body, headers })

/** An answer of a media type whose bodies a route gives as texts. */
export const textAnswer = <Header extends AnswerHeader = never>(
  mediaType: string,
  description: string,
  headers: ReadonlyArray<Header> = []
): AnswerSpec<typeof Schema.String, Header> => ({ description, mediaType, body: Schema.String, headers })

/** An answer without a body. */
export const emptyAnswer = <Header extends AnswerHeader = never>(
  description: string,
  headers: ReadonlyArray<Header> = []
): AnswerSpec<undefined, Header> => ({ description, mediaType: jsonMediaType, body: undefined, headers })

/** The answers of a route, by status. */
export type AnswerSpecs = Readonly<Record<number, AnswerSpec>>

type BodyOf<A> = A extends { readonly body: infer Body extends Schema.Constraint } ? Body["Type"] : undefined
type HeaderOf<A> = A extends { readonly headers: ReadonlyArray<infer Header extends AnswerHeader> } ? Header : never

/** What a route answers with: one of the answers that it declares. */
export type Reply<A extends AnswerSpecs> = {
  readonly [Status in keyof A]: {
    readonly status: Status
    readonly body: BodyOf<A[Status]>
    readonly headers: { readonly [Header in HeaderOf<A[Status]> | "cache-control"]?: string }
  }
}[keyof A]

/** One of a route's answers. Nothing of it may be kept by caches, unless `headers` say otherwise. */
export const reply = <
  const Status extends number,
  const Body,
  const Headers extends { [Header in AnswerHeader]?: string }
>(
  status: Status,
  body: Body,
  headers?: Headers
) => ({ status, body, headers: headers ?? ({} as Headers) })

interface Outgoing {
  readonly status: PropertyKey
  readonly body: unknown
  readonly headers: object
}

const contentType = (mediaType: string): string =>
  mediaType.startsWith("text/") ? `${mediaType}; charset=utf-8` : mediaType

/** The answer as it goes out. */
export const replyResponse = ({ status, body, headers }: Outgoing, answers: AnswerSpecs): Response => {
  const mediaType = answers[Number(status)]?.mediaType ?? jsonMediaType
  const isJson = mediaType === jsonMediaType
  return new Response(isJson ? (body === undefined ? null : JSON.stringify(body)) : (body as string | ReadableStream), {
    status: Number(status),
    headers: {
      ...(body === undefined ? {} : { "content-type": contentType(mediaType) }),
      "cache-control": "no-store",
      ...headers
    }
  })
}
