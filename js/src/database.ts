// An open database, as the page sees it: each method is one call to the worker.

import type { Channel } from './channel.js'
import { CofferError } from './error.js'
import { statement } from './sql.js'
import type { About, Database, Row, RunResult, SqlInput, SqlParameters } from './types.js'
import { decodeRows, encodeParameters } from './wire.js'

export class WorkerDatabase implements Database {
  readonly name: string
  readonly about: About
  readonly #channel: Channel
  #closing: Promise<void> | undefined

  constructor(name: string, about: About, channel: Channel) {
    this.name = name
    this.about = about
    this.#channel = channel
  }

  exec(sql: string): Promise<void> {
    return this.#channel.call({ kind: 'exec', sql })
  }

  run(sql: string, parameters?: SqlParameters): Promise<RunResult> {
    const values = encodeParameters(parameters)
    return this.#channel.call({ kind: 'run', sql, values }, [values.buffer])
  }

  async query<T extends object = Row>(sql: string, parameters?: SqlParameters): Promise<T[]> {
    const values = encodeParameters(parameters)
    const rows = decodeRows(await this.#channel.call({ kind: 'query', sql, values }, [values.buffer]))
    // What a row holds follows from the SQL, which only the caller can know.
    return rows as T[]
  }

  async get<T extends object = Row>(sql: string, parameters?: SqlParameters): Promise<T | undefined> {
    return (await this.query<T>(sql, parameters))[0]
  }

  sql<T extends object = Row>(parts: TemplateStringsArray, ...values: readonly SqlInput[]): Promise<T[]> {
    return this.query<T>(statement(parts), values)
  }

  close(): Promise<void> {
    this.#closing ??= this.#channel.call({ kind: 'close' }).then(
      () => this.#channel.end(new CofferError('closed', 'the database is closed')),
      // A worker that is lost already is as closed as can be.
      () => undefined,
    )
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
