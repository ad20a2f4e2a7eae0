<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;
use SocialChannel\Internal\ListOf;

/**
 * How a provider describes itself.
 */
final readonly class Descriptor implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** Lower-case, stable. */
        public string $id,
        /** The name to display. */
        public string $name,
        /** The provider's version (semver). */
        public string $version,
        /** @var list<string> `profile`, `stats`, `list`, `publish`. */
        public array $abilities,
        /** @var list<Field> Settings for the operator. */
        #[ListOf(Field::class)]
        public array $settings,
        /** @var list<Field> Inputs for the person who connects an account. */
        #[ListOf(Field::class)]
        public array $connectInputs,
        /** @var list<Scope> Permissions that it may request. */
        #[ListOf(Scope::class)]
        public array $scopes,
        /** @var list<string> Origins that it calls and the operator must grant. */
        public array $origins,
        /** @var array<string, mixed> What else the provider tells, by names that networks share. */
        public array $details = [],
    ) {
    }
}
