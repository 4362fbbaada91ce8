<?php
/**
 * Plugin Name: Currency ticker
 * Description: Official exchange rates in posts and pages: a moving line, a table, one rate or a converter.
 * Version: 0.2.0
 * Requires at least: 6.1
 * Requires PHP: 7.4
 * License: MIT
 * Text Domain: currency-ticker
 *
 * The rates come from a currency rate ticker that you or someone else runs. Its address is set by the
 * administrator alone, because its script runs on the pages. Authors choose what is shown: by the block
 * "Exchange rates", or by the shortcode [currency_ticker type="line" symbols="KGS KZT"].
 */

defined( 'ABSPATH' ) || exit;

const CURRENCY_TICKER_OPTION = 'currency_ticker';

const CURRENCY_TICKER_DEFAULTS = array(
	'host'      => '',
	'symbols'   => '',
	'format'    => 'line',
	'theme'     => 'auto',
	'size'      => 'regular',
	'invert'    => false,
	'sparkline' => false,
);

/* Of each type: the element, its script, the style that reserves its place, and the attributes that authors may set. */
const CURRENCY_TICKER_TYPES = array(
	'line'      => array(
		'element' => 'currency-ticker',
		'script'  => 'ticker.js?define',
		'style'   => 'display:block;min-height:calc(2.5em + 22px)',
		'names'   => array( 'symbols', 'speed', 'direction', 'theme', 'locale', 'digits', 'format', 'invert', 'sparkline', 'link', 'attribution', 'size', 'transparent', 'hide', 'titles', 'hover', 'motion', 'paused', 'static' ),
	),
	'board'     => array(
		'element' => 'currency-board',
		'script'  => 'board.js',
		'style'   => '',
		'names'   => array( 'symbols', 'columns', 'theme', 'locale' ),
	),
	'quote'     => array(
		'element' => 'currency-quote',
		'script'  => 'board.js',
		'style'   => 'display:block;line-height:1.5;min-height:calc(9.63em + 44px)',
		'names'   => array( 'symbol', 'format', 'sparkline', 'digits', 'theme', 'locale' ),
	),
	'converter' => array(
		'element' => 'currency-converter',
		'script'  => 'board.js',
		'style'   => 'display:block;line-height:1.5;min-height:calc(13.29em + 2px + clamp(0em,(34em - 100cqi)*999,8.39em + 32px))',
		'names'   => array( 'amount', 'from', 'to', 'symbols', 'digits', 'theme', 'locale' ),
	),
);

const CURRENCY_TICKER_SWITCHES = array( 'invert', 'sparkline', 'transparent', 'paused', 'static' );

/* What is chosen on the settings page or in the block, with its words. */
function currency_ticker_fields() {
	return array(
		'symbols'   => array(
			'label' => __( 'Pairs', 'currency-ticker' ),
			'help'  => __( 'For example KGS KZT. Leave it empty for all pairs of the service.', 'currency-ticker' ),
			'types' => array( 'line', 'board' ),
		),
		'symbol'    => array(
			'label' => __( 'Pair', 'currency-ticker' ),
			'help'  => __( 'For example KGS, or USD/KGS for the reverse.', 'currency-ticker' ),
			'types' => array( 'quote' ),
		),
		'amount'    => array(
			'label' => __( 'Amount', 'currency-ticker' ),
			'types' => array( 'converter' ),
		),
		'from'      => array(
			'label' => __( 'From', 'currency-ticker' ),
			'help'  => __( 'A currency, for example USD.', 'currency-ticker' ),
			'types' => array( 'converter' ),
		),
		'to'        => array(
			'label' => __( 'To', 'currency-ticker' ),
			'help'  => __( 'A currency, for example KGS.', 'currency-ticker' ),
			'types' => array( 'converter' ),
		),
		'format'    => array(
			'label'   => __( 'Names', 'currency-ticker' ),
			'options' => array(
				'line'    => __( 'Pairs: KGS/USD = 0.01144', 'currency-ticker' ),
				'compact' => __( 'Currencies: KGS 0.01144', 'currency-ticker' ),
				'names'   => __( 'Full names: Kyrgyz som / US dollar = 0.01144', 'currency-ticker' ),
			),
			'types'   => array( 'line' ),
		),
		'theme'     => array(
			'label'   => __( 'Colours', 'currency-ticker' ),
			'options' => array(
				'auto'  => __( 'As the page', 'currency-ticker' ),
				'light' => __( 'Light', 'currency-ticker' ),
				'dark'  => __( 'Dark', 'currency-ticker' ),
			),
			'types'   => array( 'line', 'board', 'quote', 'converter' ),
		),
		'size'      => array(
			'label'   => __( 'Size', 'currency-ticker' ),
			'options' => array(
				'regular' => __( 'Regular', 'currency-ticker' ),
				'small'   => __( 'Small', 'currency-ticker' ),
			),
			'types'   => array( 'line' ),
		),
		'invert'    => array(
			'title'  => __( 'Reverse', 'currency-ticker' ),
			'label'  => __( 'Show the reverse, such as USD/KGS', 'currency-ticker' ),
			'switch' => true,
			'types'  => array( 'line' ),
		),
		'sparkline' => array(
			'title'  => __( 'Chart', 'currency-ticker' ),
			'label'  => __( 'Show a small chart of 30 days', 'currency-ticker' ),
			'switch' => true,
			'types'  => array( 'line', 'quote' ),
		),
	);
}

function currency_ticker_type_labels() {
	return array(
		'line'      => __( 'Moving line', 'currency-ticker' ),
		'board'     => __( 'Table', 'currency-ticker' ),
		'quote'     => __( 'One rate', 'currency-ticker' ),
		'converter' => __( 'Converter', 'currency-ticker' ),
	);
}

function currency_ticker_options() {
	$stored = get_option( CURRENCY_TICKER_OPTION );
	return array_merge( CURRENCY_TICKER_DEFAULTS, is_array( $stored ) ? $stored : array() );
}

/* On the pages. */

/**
 * The element with these attributes; a link in feeds. Its script is added to the page once.
 *
 * @param array $given By the author. What is left out is as in the settings.
 */
function currency_ticker_markup( $given ) {
	$options = currency_ticker_options();
	$host    = $options['host'];
	if ( '' === $host ) {
		return currency_ticker_missing();
	}
	$link = sprintf( '<a href="%s">%s</a>', esc_url( "$host/" ), esc_html__( 'Exchange rates', 'currency-ticker' ) );
	if ( is_feed() ) {
		return $link;
	}
	$name   = currency_ticker_type( $given );
	$type   = CURRENCY_TICKER_TYPES[ $name ];
	$values = currency_ticker_values( $name, $given, $options );
	wp_enqueue_script( currency_ticker_handle( $type ), "$host/{$type['script']}", array(), null, true );
	$html = "<{$type['element']}" . currency_ticker_attribute( 'src', $host );
	foreach ( $values as $key => $value ) {
		$html .= currency_ticker_attribute( $key, $value );
	}
	$style = currency_ticker_style( $type['style'], $values );
	if ( $style ) {
		$html .= currency_ticker_attribute( 'style', $style );
	}
	return currency_ticker_place( $style, "$html><noscript>$link</noscript></{$type['element']}>" );
}

/* A small line is lower, a chart takes two lines more, and a rate in a sentence has no height of its own. */
function currency_ticker_style( $style, $values ) {
	if ( isset( $values['format'] ) && 'inline' === $values['format'] ) {
		return '';
	}
	if ( isset( $values['size'] ) && 'small' === $values['size'] ) {
		$style = str_replace( '2.5em', '1.625em', $style );
	}
	return isset( $values['sparkline'] ) ? str_replace( '9.63em', '11.63em', $style ) : $style;
}

/* Where the width decides the height, it is that of a container around the element. */
function currency_ticker_place( $style, $html ) {
	$needs_container = false !== strpos( $style, 'cqi' );
	return $needs_container ? "<div style=\"container-type:inline-size;contain-intrinsic-inline-size:min(20em,75vw)\">$html</div>" : $html;
}

/* What WordPress calls the script; after a question mark it would expect arguments. */
function currency_ticker_handle( $type ) {
	return 'currency-ticker-' . strtok( $type['script'], '.' );
}

function currency_ticker_type( $given ) {
	$name = isset( $given['type'] ) ? $given['type'] : '';
	return isset( CURRENCY_TICKER_TYPES[ $name ] ) ? $name : 'line';
}

/* What the element is told: the author's choices, then the settings. */
function currency_ticker_values( $name, $given, $options ) {
	$values = array();
	foreach ( CURRENCY_TICKER_TYPES[ $name ]['names'] as $key ) {
		$is_given = isset( $given[ $key ] );
		$value    = $is_given ? $given[ $key ] : currency_ticker_usual( $name, $key, $options );
		if ( in_array( $key, CURRENCY_TICKER_SWITCHES, true ) ) {
			$value = $is_given ? currency_ticker_is_on( $value ) : $value;
		} elseif ( 'link' === $key ) {
			$value = wp_kses_bad_protocol( $value, array( 'http', 'https' ) );
		}
		if ( '' !== $value && false !== $value ) {
			$values[ $key ] = $value;
		}
	}
	return $values;
}

/* What the settings say of an attribute; nothing if that is the element's own default. */
function currency_ticker_usual( $name, $key, $options ) {
	$fields = currency_ticker_fields();
	if ( ! isset( $options[ $key ] ) || ! in_array( $name, $fields[ $key ]['types'], true ) ) {
		return '';
	}
	return CURRENCY_TICKER_DEFAULTS[ $key ] === $options[ $key ] ? '' : $options[ $key ];
}

function currency_ticker_is_on( $value ) {
	return true === $value || ( is_string( $value ) && ! in_array( strtolower( $value ), array( 'false', '0', 'no', 'off' ), true ) );
}

function currency_ticker_attribute( $name, $value ) {
	return true === $value ? " $name" : sprintf( ' %s="%s"', $name, esc_attr( $value ) );
}

/* What stands in for the element until a service is named: only who can name it is told. */
function currency_ticker_missing() {
	if ( is_feed() || ! current_user_can( 'manage_options' ) ) {
		return '';
	}
	return sprintf(
		'<p><a href="%s">%s</a></p>',
		esc_url( admin_url( 'options-general.php?page=currency-ticker' ) ),
		esc_html__( 'Exchange rates: enter the address of your service', 'currency-ticker' )
	);
}

/* [currency_ticker sparkline symbols="KGS KZT"]: a name alone is a switch. */
function currency_ticker_shortcode( $given ) {
	$attributes = array();
	foreach ( (array) $given as $key => $value ) {
		$attributes[ is_int( $key ) ? strtolower( $value ) : $key ] = is_int( $key ) ? true : $value;
	}
	return currency_ticker_markup( $attributes );
}
add_shortcode( 'currency_ticker', 'currency_ticker_shortcode' );

function currency_ticker_block( $attributes ) {
	$inner = currency_ticker_markup( $attributes );
	return '' === $inner ? '' : sprintf( '<div %s>%s</div>', get_block_wrapper_attributes(), $inner );
}

/* WordPress can write `async` itself from 6.3 on. */
function currency_ticker_async( $tag, $handle ) {
	return in_array( $handle, array_map( 'currency_ticker_handle', CURRENCY_TICKER_TYPES ), true ) ? str_replace( ' src=', ' async src=', $tag ) : $tag;
}
add_filter( 'script_loader_tag', 'currency_ticker_async', 10, 2 );

/* A pasted address of the service becomes its frame. WordPress trusts it then, so that it follows the rates. */
function currency_ticker_embeds() {
	$host = currency_ticker_options()['host'];
	if ( '' !== $host ) {
		$place = preg_quote( preg_replace( '#^https?://#', '', $host ), '#' );
		wp_oembed_add_provider( "#^https?://{$place}([/?\#].*)?$#i", "$host/oembed", true );
	}
}
add_action( 'init', 'currency_ticker_embeds' );

/* The frame is as wide as its place. WordPress would ask for 500 pixels in many themes. */
function currency_ticker_embed_width( $address ) {
	$host = currency_ticker_options()['host'];
	return '' !== $host && 0 === strpos( $address, "$host/oembed?" ) ? remove_query_arg( 'maxwidth', $address ) : $address;
}
add_filter( 'oembed_fetch_url', 'currency_ticker_embed_width' );

/* In the editor. */

function currency_ticker_register_block() {
	$attributes = array( 'type' => array( 'type' => 'string' ) );
	foreach ( CURRENCY_TICKER_TYPES as $type ) {
		foreach ( $type['names'] as $name ) {
			$is_switch           = in_array( $name, CURRENCY_TICKER_SWITCHES, true );
			$attributes[ $name ] = array( 'type' => $is_switch ? 'boolean' : 'string' );
		}
	}
	if ( is_admin() ) {
		$needed = array( 'wp-blocks', 'wp-block-editor', 'wp-components', 'wp-element' );
		$data   = wp_json_encode( currency_ticker_editor_data(), JSON_HEX_TAG );
		wp_register_script( 'currency-ticker-editor', false, $needed, null, true );
		wp_add_inline_script( 'currency-ticker-editor', "var currencyTicker = $data;", 'before' );
		wp_add_inline_script( 'currency-ticker-editor', currency_ticker_editor_script() );
	}
	register_block_type(
		'currency-ticker/rates',
		array(
			'api_version'           => 2,
			'title'                 => __( 'Exchange rates', 'currency-ticker' ),
			'description'           => __( 'Official exchange rates, each with its date and its source.', 'currency-ticker' ),
			'keywords'              => array( __( 'currency', 'currency-ticker' ), __( 'converter', 'currency-ticker' ) ),
			'category'              => 'widgets',
			'icon'                  => 'money-alt',
			'attributes'            => $attributes,
			'supports'              => array( 'align' => array( 'wide', 'full' ), 'html' => false ),
			'editor_script_handles' => array( 'currency-ticker-editor' ),
			'render_callback'       => 'currency_ticker_block',
		)
	);
}
add_action( 'init', 'currency_ticker_register_block' );

function currency_ticker_editor_data() {
	$options = currency_ticker_options();
	$fields  = array();
	foreach ( currency_ticker_fields() as $name => $field ) {
		$fields[] = array( 'name' => $name ) + $field;
	}
	return array(
		'host'     => $options['host'],
		'usual'    => $options,
		'types'    => CURRENCY_TICKER_TYPES,
		'labels'   => currency_ticker_type_labels(),
		'fields'   => $fields,
		'settings' => current_user_can( 'manage_options' ) ? admin_url( 'options-general.php?page=currency-ticker' ) : '',
		'words'    => array(
			'title'   => __( 'Exchange rates', 'currency-ticker' ),
			'type'    => __( 'What to show', 'currency-ticker' ),
			'missing' => __( 'An administrator has to enter the address of the service first.', 'currency-ticker' ),
			'enter'   => __( 'Enter it', 'currency-ticker' ),
		),
	);
}

/* The preview is a frame: the element must be defined in the document in which it stands. */
function currency_ticker_editor_script() {
	return <<<'JS'
( function ( blocks, editor, components, element, data ) {
	'use strict';
	var el = element.createElement;

	function chosen( attributes, name ) {
		return attributes[ name ] === undefined ? data.usual[ name ] : attributes[ name ];
	}

	function markup( attributes, name ) {
		var type = data.types[ name ];
		var node = document.createElement( type.element );
		node.setAttribute( 'src', data.host );
		node.setAttribute( 'style', type.style );
		type.names.forEach( function ( key ) {
			var field = data.fields.filter( function ( each ) {
				return each.name === key && each.types.indexOf( name ) >= 0;
			} )[ 0 ];
			var value = field ? chosen( attributes, key ) : attributes[ key ];
			if ( value ) {
				node.setAttribute( key, value === true ? '' : value );
			}
		} );
		return node.outerHTML + '<script async src="' + data.host + '/' + type.script + '"><\/script>' +
			// The frame asks for its height only when the document itself changes, and not what is in an element.
			'<script>new ResizeObserver( function () { window.dispatchEvent( new Event( "resize" ) ); } )' +
			'.observe( document.querySelector( "' + type.element + '" ) );<\/script>';
	}

	function control( field, attributes, set ) {
		var value = chosen( attributes, field.name );
		var common = {
			key: field.name,
			label: field.label,
			help: field.help,
			onChange: function ( now ) {
				var change = {};
				change[ field.name ] = now;
				set( change );
			},
		};
		if ( field.switch ) {
			return el( components.ToggleControl, Object.assign( common, { checked: !! value } ) );
		}
		if ( field.options ) {
			var options = Object.keys( field.options ).map( function ( each ) {
				return { value: each, label: field.options[ each ] };
			} );
			return el( components.SelectControl, Object.assign( common, { value: value, options: options } ) );
		}
		return el( components.TextControl, Object.assign( common, { value: value || '' } ) );
	}

	function missing() {
		var link = data.settings && el( components.ExternalLink, { href: data.settings }, data.words.enter );
		return el( components.Placeholder, { icon: 'money-alt', label: data.words.title, instructions: data.words.missing }, link );
	}

	blocks.registerBlockType( 'currency-ticker/rates', {
		edit: function ( props ) {
			var type = data.types[ props.attributes.type ] ? props.attributes.type : 'line';
			var fields = data.fields.filter( function ( field ) {
				return field.types.indexOf( type ) >= 0;
			} );
			var what = { name: 'type', label: data.words.type, options: data.labels };
			var controls = [ what ].concat( fields ).map( function ( field ) {
				return control( field, Object.assign( {}, props.attributes, { type: type } ), props.setAttributes );
			} );
			var preview = el( components.Disabled, null,
				el( components.SandBox, { html: markup( props.attributes, type ), title: data.words.title } )
			);
			return el( 'div', editor.useBlockProps(),
				el( editor.InspectorControls, null, el( components.PanelBody, null, controls ) ),
				data.host ? preview : missing()
			);
		},
		save: function () {
			return null;
		},
	} );
} )( wp.blocks, wp.blockEditor, wp.components, wp.element, currencyTicker );
JS;
}

/* The settings. */

function currency_ticker_register_settings() {
	register_setting(
		'currency_ticker',
		CURRENCY_TICKER_OPTION,
		array(
			'type'              => 'object',
			'sanitize_callback' => 'currency_ticker_sanitize',
			'default'           => CURRENCY_TICKER_DEFAULTS,
		)
	);
	add_settings_section( 'currency_ticker', '', '__return_false', 'currency-ticker' );
	$host = array(
		'label' => __( 'Address of the service', 'currency-ticker' ),
		'help'  => __( 'For example https://rates.example.org. Its script runs on your pages, so enter only one that you trust.', 'currency-ticker' ),
	);
	foreach ( array( 'host' => $host ) + currency_ticker_fields() as $name => $field ) {
		if ( isset( CURRENCY_TICKER_DEFAULTS[ $name ] ) ) {
			$title = isset( $field['title'] ) ? $field['title'] : $field['label'];
			$place = array( 'name' => $name, 'label_for' => isset( $field['switch'] ) ? '' : "currency-ticker-$name" ) + $field;
			add_settings_field( "currency-ticker-$name", esc_html( $title ), 'currency_ticker_field', 'currency-ticker', 'currency_ticker', $place );
		}
	}
}
add_action( 'admin_init', 'currency_ticker_register_settings' );

function currency_ticker_field( $field ) {
	$value = currency_ticker_options()[ $field['name'] ];
	$id    = esc_attr( "currency-ticker-{$field['name']}" );
	$name  = esc_attr( CURRENCY_TICKER_OPTION . "[{$field['name']}]" );
	if ( isset( $field['switch'] ) ) {
		printf( '<label><input type="checkbox" id="%s" name="%s" value="1"%s> %s</label>', $id, $name, checked( $value, true, false ), esc_html( $field['label'] ) );
	} elseif ( isset( $field['options'] ) ) {
		printf( '<select id="%s" name="%s">', $id, $name );
		foreach ( $field['options'] as $option => $label ) {
			printf( '<option value="%s"%s>%s</option>', esc_attr( $option ), selected( $value, $option, false ), esc_html( $label ) );
		}
		echo '</select>';
	} else {
		$mode = 'host' === $field['name'] ? 'url' : 'text';
		printf( '<input type="text" inputmode="%s" id="%s" name="%s" value="%s" class="regular-text">', $mode, $id, $name, esc_attr( $value ) );
	}
	if ( isset( $field['help'] ) ) {
		printf( '<p class="description">%s</p>', esc_html( $field['help'] ) );
	}
}

/* What may be stored. An address that is none leaves the earlier one, and is told. */
function currency_ticker_sanitize( $given ) {
	$given = is_array( $given ) ? $given : array();
	$old   = currency_ticker_options();
	$host  = currency_ticker_host( isset( $given['host'] ) ? $given['host'] : '' );
	if ( null === $host ) {
		currency_ticker_tell( __( 'This is not the address of a service. It looks like https://rates.example.org.', 'currency-ticker' ), 'error' );
		$host = $old['host'];
	} elseif ( is_ssl() && 0 === strpos( $host, 'http://' ) ) {
		currency_ticker_tell( __( 'Your site uses https. Browsers block the service unless its address begins with https://, too.', 'currency-ticker' ), 'warning' );
	}
	$fields = currency_ticker_fields();
	$kept   = array( 'host' => $host );
	foreach ( CURRENCY_TICKER_DEFAULTS as $name => $default ) {
		$value = isset( $given[ $name ] ) && is_scalar( $given[ $name ] ) ? $given[ $name ] : '';
		if ( 'symbols' === $name ) {
			$kept[ $name ] = trim( preg_replace( '#[^A-Z/-]+#', ' ', strtoupper( $value ) ) );
		} elseif ( is_bool( $default ) ) {
			$kept[ $name ] = (bool) $value;
		} elseif ( isset( $fields[ $name ] ) ) {
			$kept[ $name ] = isset( $fields[ $name ]['options'][ $value ] ) ? $value : $default;
		}
	}
	return $kept;
}

function currency_ticker_tell( $words, $kind ) {
	if ( function_exists( 'add_settings_error' ) ) {
		add_settings_error( CURRENCY_TICKER_OPTION, $kind, $words, $kind );
	}
}

/* The address of a service, without a slash at its end; null if it is none. It may be that of its script. */
function currency_ticker_host( $text ) {
	$text = is_string( $text ) ? trim( $text ) : '';
	if ( '' === $text ) {
		return '';
	}
	$address = false === strpos( $text, '://' ) ? "https://$text" : $text;
	$host    = '(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?';
	if ( ! preg_match( "#^(https?)://($host)((?:/[\w.~-]+)*)/?$#iD", $address, $found ) ) {
		return null;
	}
	$path = preg_replace( '#/[\w.-]+\.js$#', '', $found[3] );
	return strtolower( "{$found[1]}://{$found[2]}" ) . $path;
}

function currency_ticker_menu() {
	$title = __( 'Currency ticker', 'currency-ticker' );
	add_options_page( $title, $title, 'manage_options', 'currency-ticker', 'currency_ticker_page' );
}
add_action( 'admin_menu', 'currency_ticker_menu' );

function currency_ticker_page() {
	if ( ! current_user_can( 'manage_options' ) ) {
		return;
	}
	echo '<div class="wrap"><h1>' . esc_html( get_admin_page_title() ) . '</h1>';
	echo '<p>' . esc_html__( 'Add the block "Exchange rates" to a post, or write this shortcode:', 'currency-ticker' ) . ' <code>[currency_ticker]</code></p>';
	if ( currency_ticker_options()['host'] ) {
		echo '<h2>' . esc_html__( 'Preview', 'currency-ticker' ) . '</h2>' . currency_ticker_markup( array() );
	}
	echo '<form action="options.php" method="post">';
	settings_fields( 'currency_ticker' );
	do_settings_sections( 'currency-ticker' );
	submit_button();
	echo '</form></div>';
}

function currency_ticker_links( $links ) {
	$address = admin_url( 'options-general.php?page=currency-ticker' );
	$link    = sprintf( '<a href="%s">%s</a>', esc_url( $address ), esc_html__( 'Settings', 'currency-ticker' ) );
	return array_merge( array( $link ), $links );
}
add_filter( 'plugin_action_links_' . plugin_basename( __FILE__ ), 'currency_ticker_links' );

function currency_ticker_uninstall() {
	delete_option( CURRENCY_TICKER_OPTION );
	foreach ( is_multisite() ? get_sites( array( 'fields' => 'ids', 'number' => 0 ) ) : array() as $site ) {
		delete_blog_option( $site, CURRENCY_TICKER_OPTION );
	}
}
register_uninstall_hook( __FILE__, 'currency_ticker_uninstall' );
