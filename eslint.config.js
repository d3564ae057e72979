// Lint rules, as strict as the types: what a reviewer would otherwise have to say twice.
// Formatting is nobody's business here beyond what an editor does; names and shapes are.

import eslint from '@eslint/js'
import { defineConfig } from 'eslint/config'
import typescript from 'typescript-eslint'

const typed = ['js/src/**/*.ts', 'js/test/**/*.ts', 'www/**/*.ts']

export default defineConfig(
  { ignores: ['**/node_modules/', 'dist/', 'target/', 'js/wasm/', 'js/stage/', 'js/suite/', 'www/built/', '**/pkg/'] },
  eslint.configs.recommended,
  {
    files: ['**/*.{js,mjs,ts}'],
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      eqeqeq: ['error', 'always'],
      'no-console': 'off',
      'no-var': 'error',
      'object-shorthand': 'error',
      'prefer-const': 'error',
      // The types and node know what is global; this rule does not.
      'no-undef': 'off',
    },
  },
  {
    files: typed,
    extends: [typescript.configs.strictTypeChecked, typescript.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { project: ['./tsconfig.json', './tsconfig.worker.json'], tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/consistent-type-definitions': ['error', 'interface'],
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      // `return reject(e)` ends a function in one line; nobody takes its value.
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true }],
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true, requireDefaultForNonUnion: true }],
      // What a row holds follows from the SQL, which only the caller knows: row types are given, not inferred.
      '@typescript-eslint/no-unnecessary-type-parameters': 'off',
      // Numbers and big integers read well in messages; nothing else is put into one unseen.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportDefaultDeclaration', message: 'Named exports only: one name per thing, everywhere.' },
        { selector: 'TSEnumDeclaration', message: 'A union of string literals says the same and vanishes at run time.' },
        { selector: 'TSModuleDeclaration[kind="namespace"]', message: 'A module is the namespace.' },
      ],
    },
  },
  {
    // Type tests are compiled and never run: values are there for their types, and mistakes on purpose.
    files: ['js/test/**/*.test-d.ts'],
    rules: { '@typescript-eslint/no-unused-vars': 'off', '@typescript-eslint/no-unsafe-call': 'off' },
  },
  {
    // The library is a guest in its user's console.
    files: ['js/src/**/*.ts'],
    rules: { 'no-console': 'error' },
  },
)
