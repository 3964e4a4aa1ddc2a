/** The part of a stream's information that tells its size. */
export interface SizedStream {
  readonly config: { readonly max_bytes: number }
  readonly state: { readonly bytes: number }
}

/** The size of a stream, and its bound. */
export interface StreamCapacity {
  readonly bytes: number
  /** The most bytes that the stream may have; infinite if the stream has no bound. */
  readonly bytesMax: number
}

/** Returns the size and the bound of a stream. */
export const capacityOf = ({ state, config }: SizedStream): StreamCapacity => ({
  bytes: state.bytes,
  bytesMax: config.max_bytes < 0 ? Number.POSITIVE_INFINITY : config.max_bytes
})
