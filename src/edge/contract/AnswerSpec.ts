import { Schema } from "effect"

/** Each header that an answer may have, with its meaning. */
export const answerHeaders = {
  "accept-encoding": "The content encodings that a body may have.",
  allow: "The methods that the path has.",
  "cache-control": "Whether caches may keep the answer.",
  "content-disposition": "The name under which a browser saves the file.",
  "content-security-policy": "The sources from which a browser may load files for the page.",
  etag: "Names the state of the answer. A read with this ETag in `If-None-Match` gets 304 until the state changes. A change with this ETag in `If-Match` is made only while the state is the same.",
  "idempotent-replayed": "`true` if the service recognises the purchase or reversal as a repeat.",
  link: 'The next page, as `rel="next"`.',
  location: "The path of the receipt of the purchase or reversal, or of the rule.",
  "preference-applied": "The preference that was followed, like `wait=5`.",
  "set-cookie": "The cookie in which a browser keeps its token.",
  "www-authenticate": "The way to send a token, and the scope that the token needs.",
  ratelimit: "The part of the limit that is left for the caller, and the seconds until more is left.",
  "ratelimit-policy": "The limit that the caller has reached.",
  "retry-after": "The seconds after which the caller may try again."
} as const
export type AnswerHeader = keyof typeof answerHeaders

/** Declares one answer of a route: its meaning, its body, and the headers that it may have. */
export interface AnswerSpec<
  Body extends Schema.Constraint | undefined = Schema.Constraint | undefined,
  Header extends AnswerHeader = AnswerHeader
> {
  readonly description: string
  readonly mediaType: string
  /**
   * Media types that the body may have instead of `mediaType`. A route that answers with a media type of
   * `otherMediaTypes` makes its Response itself.
   */
  readonly otherMediaTypes?: ReadonlyArray<string>
  readonly body: Body
  readonly headers: ReadonlyArray<Header>
}

export const jsonMediaType = "application/json"
export const linesMediaType = "application/x-ndjson"

/** Returns the media types of an answer, the usual media type first. */
export const mediaTypesOf = ({ mediaType, otherMediaTypes = [] }: AnswerSpec): ReadonlyArray<string> => [
  mediaType,
  ...otherMediaTypes
]

/**
 * Returns the media type in a content-type header, without its parameters. If a proxy joined several content-type
 * headers, the first media type counts.
 */
export const mediaTypeIn = (header = ""): string => {
  const end = header.search(/[;,]/)
  return (end < 0 ? header : header.slice(0, end)).trim().toLowerCase()
}

/** Declares an answer with a JSON body. */
export const jsonAnswer = <Body extends Schema.Constraint, Header extends AnswerHeader = never>(
  description: string,
  body: Body,
  headers: ReadonlyArray<Header> = []
): AnswerSpec<Body, Header> => ({ description, mediaType: jsonMediaType, body, headers })

/** Declares an answer of a media type other than JSON. The route gives the body of the answer as a text. */
export const textAnswer = <Header extends AnswerHeader = never>(
  mediaType: string,
  description: string,
  headers: ReadonlyArray<Header> = []
): AnswerSpec<typeof Schema.String, Header> => ({ description, mediaType, body: Schema.String, headers })

/** Declares an answer without a body. */
export const emptyAnswer = <Header extends AnswerHeader = never>(
  description: string,
  headers: ReadonlyArray<Header> = []
): AnswerSpec<undefined, Header> => ({ description, mediaType: jsonMediaType, body: undefined, headers })

/** The answers of a route, by status. */
export type AnswerSpecs = Readonly<Record<number, AnswerSpec>>

type BodyOf<A> = A extends { readonly body: infer Body extends Schema.Constraint } ? Body["Type"] : undefined
type HeaderOf<A> = A extends { readonly headers: ReadonlyArray<infer Header extends AnswerHeader> } ? Header : never

/** One of the answers that a route declares, with its status, body and headers. */
export type Reply<A extends AnswerSpecs> = {
  readonly [Status in keyof A]: {
    readonly status: Status
    readonly body: BodyOf<A[Status]>
    readonly headers: { readonly [Header in HeaderOf<A[Status]> | "cache-control"]?: string }
  }
}[keyof A]

/** Makes an answer of a route. Caches may not keep the answer, unless `headers` say otherwise. */
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

/** Returns the HTTP response of an answer. */
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
