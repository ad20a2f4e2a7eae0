<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;
use SocialChannel\Internal\ListOf;

/**
 * A value that somebody fills in: the operator, the person who connects, the person who posts.
 */
final readonly class Field implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** Kebab-case. Of a post, `title`, `text` and `visibility` fill these members, and any other name is an option. */
        public string $name,
        /** The label to display. */
        public string $label,
        /** A sentence below it. */
        public ?string $help,
        /**
         * `text`, `multiline`, `secret`, `url`, `number`, `decimal`, `boolean`, `choice`, `multi-choice`, `text-list`,
         * `date-time` (seconds since 1970), `json`. Leave out a field of another kind.
         */
        public string $kind,
        /** @var list<Choice> Of a `choice` or `multi-choice`; suggestions for a `text-list`. */
        #[ListOf(Choice::class)]
        public array $choices,
        /** Must be filled in. */
        public bool $required,
        /** @var bool|int|float|string|array<mixed>|null Null: unticked, empty, nothing chosen. Of a setting: used if nothing is set. */
        public mixed $defaultValue,
        /** @var list<TextLimit> Limits of a text, or of each text of a list. All of them hold. */
        #[ListOf(TextLimit::class)]
        public array $limits,
        /** @var list<string> Kinds of post it belongs to; empty: every kind. */
        public array $appliesTo,
        /** @var array<string, mixed> For example `minimum`, `maximum`, `pattern`, `format`. */
        public array $details = [],
    ) {
    }
}
