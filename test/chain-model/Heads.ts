/** The broker's side of the heads: hints, bases and the manifest of one partition, as HeadsSteps.ts writes them. */
import { type PerUser, perUser, type User } from "./Chain.ts"

/** A hint or a base. A head is the number of an account's newest revision; 0 if the blob has no head of the account. */
export interface Blob {
  readonly name: number
  /** The key of the hash by which the blob names accounts. */
  readonly key: number
  readonly heads: PerUser<number>
}

export interface Manifest {
  /** The stream sequence of the manifest, which the next manifest expects; 0 before the first manifest. */
  readonly revision: number
  /** The key of the hash in all blobs that the manifest names; 0 if the manifest names no blob. */
  readonly key: number
  readonly blobs: ReadonlyArray<number>
  /** The revision of each account up to which the blobs are complete. */
  readonly through: PerUser<number>
}

export const noManifest: Manifest = { revision: 0, key: 0, blobs: [], through: { ann: 0, bob: 0 } }

export interface HeadsStream {
  readonly manifest: Manifest
  /** The previous manifest, which a replica may still return. */
  readonly older: Manifest | undefined
  /** The blobs, in the order of the stream. */
  readonly blobs: ReadonlyArray<Blob>
  /** Whether a fault lost a blob, so that a manifest may name a missing blob. */
  readonly hasLost: boolean
}

export type HeadsWrite =
  | { readonly kind: "blob"; readonly blob: Blob; readonly chunkOf?: User }
  | { readonly kind: "manifest"; readonly manifest: Manifest; readonly expects: number }
  | { readonly kind: "purge"; readonly below: number }

export interface HeadsRules {
  readonly replacesUnconditionally: boolean
  readonly keepsOlder: boolean
}

/** Applies a write to the stream. Returns `undefined` if the stream refuses the manifest because of its expectation. */
export const writeHeads = (heads: HeadsStream, write: HeadsWrite, rules: HeadsRules): HeadsStream | undefined => {
  switch (write.kind) {
    case "blob": {
      const others = heads.blobs.filter(({ name }) => name !== write.blob.name)
      return { ...heads, blobs: [...others, write.blob] }
    }
    case "manifest": {
      const { revision } = heads.manifest
      if (write.expects !== revision && !rules.replacesUnconditionally) return undefined
      const older = rules.keepsOlder ? heads.manifest : undefined
      return { ...heads, manifest: { ...write.manifest, revision: revision + 1 }, older }
    }
    case "purge": {
      const first = heads.blobs.findIndex(({ name }) => name === write.below)
      return first < 0 ? heads : { ...heads, blobs: heads.blobs.slice(first) }
    }
  }
}

/** Returns whether a manifest names a blob that is not stored. */
export const lacksBlob = ({ blobs }: HeadsStream, manifest: Manifest): boolean =>
  manifest.blobs.some((name) => !blobs.some((blob) => blob.name === name))

/**
 * Reads the heads in the blobs of a manifest. A blob under another key gives no heads, because its hashes are not
 * found.
 */
export const readBlobs = ({ blobs }: HeadsStream, manifest: Manifest): PerUser<number> => {
  const named = blobs.filter(({ name, key }) => manifest.blobs.includes(name) && key === manifest.key)
  return perUser((user) => Math.max(0, ...named.map(({ heads }) => heads[user])))
}
